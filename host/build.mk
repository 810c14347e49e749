# Compiles and links the host. Called by the Makefile once the packages are there.
# Targets: the binary, $(OBJ)/libhost.a, and one test program per tests/host/test_*.c.

Q := $(if $(V),,@)

CC     ?= gcc
CFLAGS := -std=gnu11 -O2 -g -fvisibility=hidden -fstack-protector-strong -fno-common \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Werror \
	-D_GNU_SOURCE -Ihost -isystem /usr/share/include/llhttp $(shell pkg-config --cflags $(LIBS) | sed 's/-I/-isystem /g')
LDLIBS := $(shell pkg-config --libs $(LIBS)) -lpthread -lm -lz
LDFLAGS := -Wl,-E

ifeq ($(FLAVOUR),fuzz)
CC      := clang-14
CFLAGS  += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-Wno-missing-field-initializers
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(FLAVOUR),asan)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
CFLAGS  += -D_FORTIFY_SOURCE=2
endif

SOURCES := $(filter-out host/main.c,$(wildcard host/*.c))
OBJECTS := $(SOURCES:host/%.c=$(OBJ)/%.o) $(addprefix $(OBJ)/llhttp-,llhttp.o api.o http.o)
TESTS   := $(patsubst tests/host/%.c,$(OBJ)/tests/%,$(wildcard tests/host/test_*.c))

$(BIN): $(OBJ)/main.o $(OBJ)/libhost.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $(OBJ)/main.o $(OBJ)/libhost.a $(LDLIBS)

$(OBJ)/libhost.a: $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OBJ)/%.o: host/%.c host/build.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Debian ships llhttp as generated C: its own warnings are not ours to mend.
$(OBJ)/llhttp-%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) -O2 -w -fvisibility=hidden -isystem /usr/share/include/llhttp -c -o $@ $<

.PHONY: tests
tests: $(TESTS)

$(OBJ)/tests/%: tests/host/%.c tests/host/check.h $(OBJ)/libhost.a
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(CFLAGS) -Itests/host -MMD -MP $(LDFLAGS) -o $@ $< $(OBJ)/libhost.a $(LDLIBS)

# libFuzzer brings main(); the archive gives each target what it needs and no more.
FUZZERS := $(patsubst tests/fuzz/%.c,$(OBJ)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: fuzzers
fuzzers: $(FUZZERS)

$(OBJ)/fuzz/%: tests/fuzz/%.c $(OBJ)/libhost.a
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	$(Q)$(CC) $(CFLAGS) -Itests/host -MMD -MP $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(OBJ)/libhost.a $(LDLIBS)

-include $(wildcard $(OBJ)/fuzz/*.d) $(wildcard $(OBJ)/*.d) $(wildcard $(OBJ)/tests/*.d)
