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
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(LDFLAGS) -o $@ $(filter %.c,$^) -lcrypto -lelf

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
SECONDS ?= 60

fuzz: $(T)/seimg-check $(T)/seimg $(T)/dumpcmp
	rm -rf $(FUZZ)
	mkdir -p $(FUZZ)/images $(FUZZ)/corpus
	$(T)/seimg-check $(FUZZ)/images >/dev/null
	cp $(addprefix $(FUZZ)/images/,pvimg before shared slots open) $(FUZZ)/corpus
	CORPUS=$(abspath $(FUZZ))/corpus bash seimg-test $(T)/seimg $(T)/dumpcmp >/dev/null
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $(FUZZ)/seimg-fuzz seimg-fuzz.c cpuregs.c $(SEIMG_PARTS) -lcrypto -lelf
	cd $(FUZZ) && ./seimg-fuzz -max_total_time=$(SECONDS) -max_len=400000 -rss_limit_mb=1024 \
		-timeout=20 -print_final_stats=1 corpus

.PHONY: fuzz
