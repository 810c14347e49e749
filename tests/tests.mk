# The test targets of the Makefile. Each prints its own count; `make test` runs them all.

TEST_PACKAGES := openssl zbar-tools unzip lua-http lua-cqueues libvips-tools procps iproute2 mariadb-client-core faketime

# The clients and load generators that tests/clients drives.
CLIENT_PACKAGES := wrk nghttp2-client apache2-utils siege httperf slowhttptest \
	python3-websockets python3-h11 chromium testssl.sh

# A data folder with the database migrated and seeded: every server under test starts on a copy.
TEMPLATE      := $(BUILD)/test-template
TEMPLATE_FROM := $(wildcard migrations/*.sql plugins/*/migrations/*.sql lua/services/*/seed.lua plugins/*/seed.lua)

BUSTED  := luajit /usr/bin/busted
ASAN    := ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
WITH    = TEST_BIN=$(BIN) TEST_TEMPLATE=$(abspath $(TEMPLATE)) TEST_CORPORA=$(BUILD)/conformance TEST_CLIENTS=$(abspath $(BUILD)/clients)

FUZZ_SECONDS ?= 5

.PHONY: test-fuzz test-full test-valgrind test-clients test-alerts
.PHONY: test test-release test-asan test-host test-arch test-lua test-http test-faults test-kill test-deps

test: ## everything: C, Lua, HTTP, kill -9, once more under ASan and UBSan (under 15 minutes)
	$(Q)$(MAKE) --no-print-directory test-release
	$(Q)$(MAKE) --no-print-directory test-asan
	@echo "make test: all passed"

test-release: test-arch test-host test-fuzz test-lua test-http test-faults test-kill

test-asan: ## the same suites on a binary with ASan and UBSan
	$(Q)$(ASAN) $(MAKE) --no-print-directory FLAVOUR=asan test-host test-lua test-http

test-deps: deps
	$(Q)sh tests/support/install-packages $(TEST_PACKAGES)

test-host: test-deps $(BIN) ## C unit tests, one program per module
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" tests
	$(Q)sh tests/support/run-host-tests $(OBJ)/tests

test-arch: test-deps ## the layer rules, read off the tree
	$(Q)$(BUSTED) tests/arch

test-lua: test-deps $(BIN) ## specs of core, services and plugins, inside the host on a real database
	$(Q)$(BIN) test

test-http: test-deps $(BIN) $(TEMPLATE)/fresh $(BUILD)/conformance/installed ## black-box specs over HTTP and WebSocket
	$(Q)$(WITH) $(BUSTED) tests/http

test-faults: test-deps $(BIN) $(TEMPLATE)/fresh ## dead databases, full disks, clocks that step, slow clients
	$(Q)$(WITH) sh tests/support/run-beside 2 tests/faults/*_spec.lua

test-kill: test-deps $(BIN) $(TEMPLATE)/fresh ## 100 times kill -9 under load
	$(Q)$(WITH) $(BUSTED) tests/kill

test-clients: test-deps $(BIN) $(TEMPLATE)/fresh $(BUILD)/clients/installed ## public clients: curl, load generators, slow attacks, a browser
	$(Q)sh tests/support/install-packages $(CLIENT_PACKAGES)
	$(Q)$(WITH) $(BUSTED) tests/clients

test-fuzz: deps ## every parser of outside bytes, FUZZ_SECONDS (5) each
	$(Q)sh tests/support/install-packages clang-14 libclang-rt-14-dev
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=fuzz BIN=$(BUILD)/fuzz/fixxit OBJ=$(BUILD)/obj/fuzz LIBS="$(LIBS)" fuzzers
	$(Q)sh tests/support/run-fuzzers $(BUILD)/obj/fuzz/fuzz $(FUZZ_SECONDS)

# The jailed image process allows no system call that valgrind needs; ASan covers it.
test-valgrind: test-deps $(BIN) ## the C unit tests under valgrind
	$(Q)sh tests/support/install-packages valgrind
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" tests
	$(Q)SKIP="test_image test_lua_files" RUNNER="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --child-silent-after-fork=yes --suppressions=tests/support/valgrind.supp" \
		sh tests/support/run-host-tests $(OBJ)/tests

test-full: ## what takes longer: make test, valgrind, five minutes of each fuzzer, public clients, tests/full
	$(Q)$(MAKE) --no-print-directory test
	$(Q)$(MAKE) --no-print-directory test-valgrind
	$(Q)$(MAKE) --no-print-directory test-fuzz FUZZ_SECONDS=300
	$(Q)$(MAKE) --no-print-directory test-clients
	$(Q)$(MAKE) --no-print-directory test-alerts
	$(Q)test ! -d tests/full || $(WITH) $(BUSTED) tests/full

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
