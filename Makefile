# Fixxit. `make help` lists the targets; V=1 shows the commands.
# BUILD is the folder of the binary, FLAVOUR how it is compiled (release or asan).

BUILD   ?= build
FLAVOUR ?= release
OBJ     := $(BUILD)/obj/$(FLAVOUR)
ifeq ($(FLAVOUR),release)
BIN     := $(BUILD)/fixxit
else
BIN     := $(BUILD)/$(FLAVOUR)/fixxit
endif

Q := $(if $(V),,@)

# What the project needs from Debian 12. mariadb-server-core is MariaDB without its system
# service: the servers that run here are private ones, on Unix sockets.
PACKAGES := gcc make pkg-config libc6-dev luajit libluajit-5.1-dev libluajit-5.1-common \
	libuv1-dev node-llhttp libmariadb-dev mariadb-server-core mariadb-client-core \
	redis-server libhiredis-dev lua-cjson libjwt-dev libvips-dev \
	libjpeg62-turbo-dev libssl-dev libcrypt-dev libseccomp-dev zlib1g-dev \
	libcurl4-openssl-dev libqrencode-dev \
	lua-busted lua-check diffutils curl tzdata

LIBS := luajit libuv libmariadb hiredis libjwt vips libjpeg libseccomp libcrypt libcurl openssl libqrencode

include tests/tests.mk
include tests/bench/bench.mk

.DEFAULT_GOAL := all
.PHONY: all run deps clean help format lint

all: deps $(BIN) ## build the binary (build/fixxit)

# The build proper runs in a second make: pkg-config's answers need the packages installed.
$(BIN): FORCE
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" $(BIN)

FORCE:

run: all ## start a private MariaDB and Redis, migrate, seed and serve on PORT (8080)
	$(Q)exec $(BIN) dev

deps: ## install the missing Debian packages (apt, with sudo when not root)
	$(Q)sh tests/support/install-packages $(PACKAGES)

lint: ## luacheck and clang-format on the whole tree
	$(Q)sh tests/support/install-packages lua-check clang-format-14
	$(Q)luacheck -q lua plugins tests config
	$(Q)clang-format-14 --dry-run -Werror host/*.[ch] tests/host/*.[ch]

format: ## format the C sources in place
	$(Q)sh tests/support/install-packages clang-format-14
	$(Q)clang-format-14 -i host/*.[ch] tests/host/*.[ch]

clean: ## remove what was built (not var/)
	$(Q)rm -rf $(BUILD)

help: ## this list
	$(Q)awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
