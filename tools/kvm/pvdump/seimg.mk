# SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause)
#
# Included by Makefile: seimg, dumpcmp and their tests. They need libcrypto
# (OpenSSL 3.0 or newer) and libelf of this machine.

SEIMG_PARTS := seimage.c sebuild.c seinfo.c sesearch.c secrypto.c guestmem.c input.c outfile.c \
	sehdr.c
SEIMG_HDR := seimg.h secrypto.h guestmem.h input.h outfile.h sehdr.h
DUMPCMP_SRC := dumpcmp.c cpuregs.c guestmem.c input.c outfile.c
DUMPCMP_HDR := cpuregs.h guestmem.h input.h outfile.h

$(SEIMG): seimg.c $(SEIMG_PARTS) $(SEIMG_HDR) | $(OUTPUT)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(LDFLAGS) -o $@ $(filter %.c,$^) -lcrypto -lelf $(LDLIBS)

# for tests only
$(DUMPCMP): $(DUMPCMP_SRC) $(DUMPCMP_HDR) | $(OUTPUT)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(LDFLAGS) -o $@ $(filter %.c,$^) -lelf

# the same once more, with what the tests are compiled with
$(T)/se/%.o: %.c $(SEIMG_HDR) $(DUMPCMP_HDR) check.h kat.h | $(T)/se
	$(CC) $(TEST_FLAGS) -c -o $@ $<

$(T)/se:
	mkdir -p $@

$(T)/seimg: $(T)/se/seimg.o $(SEIMG_PARTS:%.c=$(T)/se/%.o)
	$(CC) $(TEST_FLAGS) $(LDFLAGS) -o $@ $^ -lcrypto -lelf

$(T)/dumpcmp: $(DUMPCMP_SRC:%.c=$(T)/se/%.o)
	$(CC) $(TEST_FLAGS) $(LDFLAGS) -o $@ $^ -lelf

$(T)/seimg-check: $(T)/se/seimg-check.o $(SEIMG_PARTS:%.c=$(T)/se/%.o)
	$(CC) $(TEST_FLAGS) $(LDFLAGS) -o $@ $^ -lcrypto -lelf

check-seimg: $(T)/seimg $(T)/dumpcmp
	bash seimg-test $(T)/seimg $(T)/dumpcmp
	mkdir -p $(T)/old/openssl
	echo '#define OPENSSL_VERSION_NUMBER 0x1010117fL' >$(T)/old/openssl/opensslv.h
	! $(CC) -I$(T)/old -fsyntax-only secrypto.c 2>$(T)/old/log
	grep 'needs OpenSSL 3.0' $(T)/old/log

.PHONY: check-seimg

# --- make fuzz SECONDS=60: with libFuzzer of clang, from what the tests make -----

FUZZ := $(OUTPUT)/fuzz
FUZZERS := image core keys build search kvm
FUZZ_SRC := fuzz.c cpuregs.c $(SEIMG_PARTS) $(LIB_SRC)
# for each of them
SECONDS ?= 60

# The first byte of some inputs says what the rest is, see fuzz.c.
fuzz: $(T)/seimg-check $(T)/seimg $(T)/dumpcmp $(T)/dump-check
	rm -rf $(FUZZ)
	mkdir -p $(addprefix $(FUZZ)/corpus/,$(FUZZERS)) $(FUZZ)/dumps
	$(T)/seimg-check $(FUZZ) >/dev/null
	$(T)/dump-check $(FUZZ)/dumps >/dev/null
	CORPUS=$(abspath $(FUZZ))/corpus/core bash seimg-test $(T)/seimg $(T)/dumpcmp >/dev/null
	$(T)/seimg keys $(FUZZ)/pvimg --host-private-key $(FUZZ)/host.pem -o $(FUZZ)/header-key
	set -e; cd $(FUZZ); cp pvimg before shared slots open corpus/image; \
	head -c 40000 dumps/notes.elf >plain; head -c 100000 memory.bin >kernel; \
	seed() { printf "\\00$$2" | cat - "$$3" >"corpus/$$1/$$2-$${3##*/}"; }; \
	for f in 0:host.pem 0:host.der 1:header-key 2:pvimg.cck; do seed keys $${f%:*} $${f#*:}; done; \
	for f in corpus/core/*; do seed build 1 $$f; done; \
	for f in 0:kernel 2:cert.pem 2:cert.der 2:pub.pem 3:host.pem 4:host.pem; do \
		seed build $${f%:*} $${f#*:}; done; \
	for f in 0:pvimg 4:pvimg 0:plain 1:plain; do seed search $${f%:*} $${f#*:}; done; \
	seed kvm 0 pvimg.cck
	set -e; for f in $(FUZZERS); do \
		clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
			-DPVDUMP_VERSION='"fuzz"' -DREADER=$$f -o $(FUZZ)/fuzz-$$f $(FUZZ_SRC) \
			-lcrypto -lelf -lpthread; \
	done
	# away from the terminal, which an encrypted key would ask for its pass phrase
	set -e; cd $(FUZZ); for f in $(FUZZERS); do echo "== $$f"; \
		setsid -w ./fuzz-$$f -max_total_time=$(SECONDS) -max_len=400000 -rss_limit_mb=1024 \
			-timeout=20 -print_final_stats=1 -verbosity=0 -artifact_prefix=found-$$f- \
			corpus/$$f </dev/null; \
	done

.PHONY: fuzz
