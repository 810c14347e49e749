# The test targets of the Makefile. Each prints its own count; `make test` runs them all.

TEST_PACKAGES := openssl zbar-tools unzip lua-http lua-cqueues libvips-tools procps iproute2 mariadb-client faketime

# The clients and load generators that tests/clients drives.
CLIENT_PACKAGES := wrk nghttp2-client apache2-utils siege httperf slowhttptest \
	python3-websockets python3-h11 chromium testssl.sh

# A data folder with the database migrated and seeded: every server under test starts on a copy.
TEMPLATE      := $(BUILD)/test-template
TEMPLATE_FROM := $(wildcard migrations/*.sql plugins/*/migrations/*.sql lua/services/*/seed.lua plugins/*/seed.lua plugins/demo/*.lua)

BUSTED  := luajit /usr/bin/busted
ASAN    := ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 TEST_PATIENCE=4
WITH    = TEST_BIN=$(BIN) TEST_TEMPLATE=$(abspath $(TEMPLATE)) TEST_CORPORA=$(BUILD)/conformance TEST_CLIENTS=$(abspath $(BUILD)/clients)

FUZZ_SECONDS ?= 5

# How many specs of whole servers run at a time: they mostly wait. Those that take longest begin
# first.
BESIDE  := 3
LONGEST := $(patsubst %,tests/%_spec.lua,kill/kill http/reload_storm http/token_keys http/lifecycle \
	http/limits faults/outage http/websocket http/nodes http/nodes_delivery faults/disk_full faults/under_way)
in_order = $(filter $(1),$(LONGEST)) $(filter-out $(LONGEST),$(1))

HTTP   := $(call in_order,$(wildcard tests/http/*_spec.lua))
FAULTS := $(call in_order,$(wildcard tests/faults/*_spec.lua))
KILL   := $(call in_order,$(wildcard tests/kill/*_spec.lua))

.PHONY: test-fuzz test-full test-long test-valgrind test-collect test-collected test-clients test-alerts
.PHONY: test test-release test-asan test-host test-arch test-lua test-http test-faults test-kill test-served test-deps

test: ## everything: C, Lua, HTTP, kill -9, once more under ASan and UBSan (under 15 minutes)
	$(Q)$(MAKE) --no-print-directory test-release
	$(Q)$(MAKE) --no-print-directory test-asan
	@echo "make test: all passed"

test-release: lint test-arch test-host test-fuzz test-lua test-served

test-asan: ## the same suites on a binary with ASan and UBSan, which tells of leaks, too
	$(Q)$(ASAN) $(MAKE) --no-print-directory FLAVOUR=asan test-host test-lua test-http

test-deps: deps
	$(Q)sh tests/support/install-packages $(TEST_PACKAGES)

test-host: test-deps $(BIN) ## C unit tests, one program per module
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" tests
	$(Q)JOBS=$(shell nproc) sh tests/support/run-host-tests $(OBJ)/tests

test-arch: test-deps ## the layer rules, read off the tree
	$(Q)$(BUSTED) tests/arch

test-lua: test-deps $(BIN) ## specs of core, services and plugins, inside the host on a real database
	$(Q)$(BIN) test

test-http: test-deps $(BIN) $(TEMPLATE)/fresh $(BUILD)/conformance/installed ## black-box specs over HTTP and WebSocket
	$(Q)$(WITH) sh tests/support/run-beside $(BESIDE) $(HTTP)

test-faults: test-deps $(BIN) $(TEMPLATE)/fresh ## dead databases, full disks, clocks that step, slow clients
	$(Q)$(WITH) sh tests/support/run-beside $(BESIDE) $(FAULTS)

test-kill: test-deps $(BIN) $(TEMPLATE)/fresh ## 100 times kill -9 under load
	$(Q)$(WITH) sh tests/support/run-beside $(BESIDE) $(KILL)

test-served: test-deps $(BIN) $(TEMPLATE)/fresh $(BUILD)/conformance/installed ## test-http, test-faults and test-kill in one go
	$(Q)$(WITH) sh tests/support/run-beside $(BESIDE) $(call in_order,$(HTTP) $(FAULTS) $(KILL))

test-clients: test-deps $(BIN) $(TEMPLATE)/fresh $(BUILD)/clients/installed ## public clients: curl, load generators, slow attacks, a browser
	$(Q)sh tests/support/install-packages $(CLIENT_PACKAGES)
	$(Q)$(WITH) $(BUSTED) tests/clients

test-fuzz: deps ## every parser of outside bytes, FUZZ_SECONDS (5) each
	$(Q)sh tests/support/install-packages clang-14 libclang-rt-14-dev
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=fuzz BIN=$(BUILD)/fuzz/fixxit OBJ=$(BUILD)/obj/fuzz LIBS="$(LIBS)" fuzzers
	$(Q)sh tests/support/run-fuzzers $(BUILD)/obj/fuzz/fuzz $(FUZZ_SECONDS)

# Valgrind cannot run what needs pidfd_open (test_process), nor inside a jail (the others), and is
# too slow for the milliseconds of a bad script (test_sandbox_corpus) and of a turn (test_lag);
# test_image_codec decodes the same pictures without a jail, and ASan runs all.
# libjpeg's SIMD reckons with what lies beside a line, which counts as uninitialised.
# Long blocks of a decoder's code exhaust valgrind's memory: hence the limit of instructions.
VALGRIND := valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
	--child-silent-after-fork=yes --vex-guest-max-insns=25 --suppressions=tests/support/valgrind.supp

test-valgrind: test-deps $(BIN) ## the C unit tests under valgrind
	$(Q)sh tests/support/install-packages valgrind
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" tests
	$(Q)SKIP="test_process test_lag test_image test_lua_files test_sandbox_process test_sandbox_corpus" TEST_PATIENCE=10 JSIMD_FORCENONE=1 JOBS=$(shell nproc) RUNNER="$(VALGRIND)" \
		sh tests/support/run-host-tests $(OBJ)/tests

# The bindings' C tests do so always. Lua's memory is malloc's then, so that ASan sees a use of
# what C did not hold while Lua waited. Left out are what a generation may take to be built, what a
# socket may cost, and how long one that reads nothing is waited for: none is as it is without the
# collector's work.
COLLECTED := main_job realtime delivery

test-collect: ## Lua specs and the main journeys under ASan, collecting all garbage at each wait
	$(Q)$(ASAN) FIXXIT_LUA_COLLECT_ALWAYS=true FIXXIT_SERVER_HEARTBEAT_MS=0 $(MAKE) --no-print-directory FLAVOUR=asan test-collected

test-collected: test-deps $(BIN) $(TEMPLATE)/fresh
	$(Q)$(BIN) test
	$(Q)$(WITH) $(BUSTED) --filter-out="when the server is reloaded" --filter-out="costs little while" \
		--filter-out="closes a slow reader" $(COLLECTED:%=tests/http/%_spec.lua)

FUZZ_LOG := $(BUILD)/test-fuzz.log

# In the order of what fails soonest. Each part says when it begins.
FULL := test test-collect test-valgrind test-alerts test-clients

test-full: ## what takes longer: make test, collector and valgrind, long fuzzing, public clients, tests/full
	$(Q)for part in $(FULL); do echo "== $$(date +%T) $$part"; $(MAKE) --no-print-directory $$part || exit 1; done
	@echo "== $$(date +%T) tests/full, and test-fuzz beside it, in $(FUZZ_LOG)"
	$(Q)nice -n 19 $(MAKE) --no-print-directory test-fuzz FUZZ_SECONDS=60 >$(FUZZ_LOG) 2>&1 & fuzz=$$!; \
		$(MAKE) --no-print-directory test-long; long=$$?; \
		wait $$fuzz; fuzzed=$$?; tail -n 60 $(FUZZ_LOG); exit $$((long + fuzzed))
	@echo "== $$(date +%T) make test-full: all passed"

test-long: test-deps $(BIN) $(TEMPLATE)/fresh ## what takes minutes: long outages, reload storms, slow clients, memory
	$(Q)$(WITH) $(BUSTED) tests/full

PROMTOOL := $(BUILD)/prometheus/usr/bin/promtool

test-alerts: $(PROMTOOL) ## the alert rules, by the tool of Prometheus
	$(Q)$(PROMTOOL) check rules config/prometheus/alerts.yml
	$(Q)$(PROMTOOL) test rules tests/full/alerts_test.yml

$(PROMTOOL):
	$(Q)sh tests/support/unpack-package prometheus $(BUILD)/prometheus

# The packages of npm that tests/NAME needs, as its lock pins them.
$(BUILD)/%/installed: tests/%/package-lock.json
	$(Q)sh tests/support/install-npm $(<D) $(@D)

# Stale when a migration or a seed is newer; tests/support/server.lua makes the new one.
$(TEMPLATE)/fresh: $(TEMPLATE_FROM)
	$(Q)rm -rf $(TEMPLATE) && mkdir -p $(@D) && touch $@
