# make bench: Fixxit beside its rivals, which come from npm into the build folder.

BENCH_PACKAGES := wrk redis-tools libvips-tools lua-basexx lua-luaossl lua-cqueues
BENCH_TOOLS    := $(BUILD)/bench
RIVALS         := $(BENCH_TOOLS)/rivals

.PHONY: bench bench-scale bench-identity bench-rules bench-deps

bench: bench-deps all $(addprefix $(BENCH_TOOLS)/,fixed bare sockets) ## measure beside Fastify and Express; HELP=1 tells the options
	$(Q)BENCH_BIN=$(BIN) BENCH_TOOLS=$(BENCH_TOOLS) BENCH_MODULES=$(abspath $(RIVALS)/node_modules) \
		sh tests/bench/run $(if $(HELP),--help)

bench-scale: ## measure on 10 000 and 1 000 000 reports, of 10 and 1000 tenants
	$(Q)SCALE=1 $(MAKE) --no-print-directory bench

bench-identity: all ## measure what it costs to know who asks, and sign-ins that wait; HELP=1 tells the options
	$(Q)sh tests/support/install-packages $(BENCH_PACKAGES)
	$(Q)BENCH_BIN=$(BIN) BENCH_SCRIPT=identity.lua sh tests/bench/run

bench-rules: all $(addprefix $(BENCH_TOOLS)/,paced pair) ## measure what tenants' rules cost, and what they do to others; HELP=1 tells the options
	$(Q)sh tests/support/install-packages $(BENCH_PACKAGES)
	$(Q)BENCH_BIN=$(BIN) BENCH_TOOLS=$(BENCH_TOOLS) BENCH_SCRIPT=rules.lua sh tests/bench/run

bench-deps: deps $(RIVALS)/installed
	$(Q)sh tests/support/install-packages $(BENCH_PACKAGES)

$(RIVALS)/installed: tests/bench/rivals/package-lock.json
	$(Q)sh tests/support/install-npm tests/bench/rivals $(RIVALS)

$(BENCH_TOOLS)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Werror $$(pkg-config --cflags libmariadb) -o $@ $< $$(pkg-config --libs libmariadb)
