# The test targets of the Makefile.

.PHONY: test-host
test-host: deps $(BIN) ## C unit tests, one program per module
	$(Q)$(MAKE) --no-print-directory -f host/build.mk BUILD=$(BUILD) FLAVOUR=$(FLAVOUR) BIN=$(BIN) OBJ=$(OBJ) LIBS="$(LIBS)" tests
	$(Q)sh tests/support/run-host-tests $(OBJ)/tests
