# What a person types. `make` alone lists it.

GO       ?= go
STRICT   ?=
FUZZTIME ?= 30s
BENCH    ?= .

LINT_VERSION := v2.15.0
GOLANGCI     ?= bin/golangci-lint-$(LINT_VERSION)
VERSION      := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)

# Our own connectors, and the guests that tests run.
GUESTS      := $(patsubst connectors-wasm/%/main.go,connectors-wasm/dist/%.wasm,$(wildcard connectors-wasm/*/main.go))
SHELF       := connectors-wasm/packed/modules
TEST_GUESTS := $(patsubst testdata/guests/%/main.go,testdata/guests/dist/%.wasm,$(wildcard testdata/guests/*/main.go)) testdata/guests/dist/parleyrun.wasm

# Guests in other languages are built where their compilers are; test-setup
# installs what it may. A test of a guest that is not built is skipped.
CLANG     ?= clang
RUSTC     ?= $(firstword $(wildcard /usr/bin/rustc) rustc)
has        = $(shell command -v $(1) 2>/dev/null)
rust_for   = $(if $(call has,$(RUSTC)),$(wildcard $(shell $(RUSTC) --print target-libdir --target $(1) 2>/dev/null)))
AS_DIR    := testdata/guests/assemblyscript
C_GUESTS  := $(if $(and $(call has,$(CLANG)),$(call has,wasm-ld)),cframe craw cextism cmail cdevice)
WASI_C    := $(if $(C_GUESTS),$(if $(wildcard /usr/lib/wasm32-wasi/libc.a),ctally))
RUST      := $(if $(call rust_for,wasm32-unknown-unknown),rusttally)
WASI_RUST := $(if $(call rust_for,wasm32-wasi),rusttallywasi)
AS_GUESTS := $(if $(and $(call has,node),$(wildcard $(AS_DIR)/node_modules/.bin/asc)),astally asextism)
in_dist    = $(patsubst %,testdata/guests/dist/%.wasm,$(1))

# What a change rebuilds: every guest is linked with the SDK; the packer writes
# a manifest into each.
sources       = $(shell find $(1) -type f ! -name '*_test.go' ! -name '*.md' ! -path '*/testdata/*' 2>/dev/null)
SDK          := $(filter %.go,$(call sources,guest-sdk/abi guest-sdk/go))
PACK_SOURCES := $(filter %.go,$(call sources,runtime/wasmbin)) $(filter-out %_test.go,$(wildcard cmd/snaprail/pack*.go))

export CGO_ENABLED = 0
GO_BUILD := $(GO) build -trimpath
GO_TEST  := $(GO) run ./.ci/summary $(if $(filter 1,$(STRICT)),-strict) -p 2 -timeout 10m

.DELETE_ON_ERROR:
.SECONDEXPANSION:
.PHONY: help build wasm run test-setup test race lint fmt tidy-check bench fuzz soak abuse clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(SHELF) ## build bin/snaprail with the connectors it ships
	$(GO_BUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o bin/snaprail ./cmd/snaprail

wasm: $(SHELF) $(TEST_GUESTS) $(call in_dist,$(C_GUESTS) $(WASI_C) $(RUST) $(WASI_RUST) $(AS_GUESTS)) ## build the connectors and the guests that tests run

run: build ## build, then start the demo
	exec bin/snaprail demo

test-setup: ## fetch and build what the tests need
	$(GO) mod download
	@.ci/toolchains
	@.ci/python
	@.ci/peers
	$(MAKE) --no-print-directory wasm

test: test-setup ## run all tests; STRICT=1 makes a skip a failure
	$(GO) vet ./... ./.ci/...
	@$(GO_TEST) ./... ./.ci/summary

race: test-setup ## run all tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GO_TEST) -race ./...

lint: $(GOLANGCI) ## run the linters, over what is built for guests too
	$(GOLANGCI) run ./... ./.ci/...
	GOOS=wasip1 GOARCH=wasm $(GOLANGCI) run --tests=false ./guest-sdk/go/... ./connectors-wasm/... $(if $(TEST_GUESTS),./testdata/guests/...)

fmt: $(GOLANGCI) ## format the sources
	$(GOLANGCI) fmt ./...

tidy-check: ## fail if go.mod or go.sum are not tidy
	$(GO) mod tidy -diff

bench: test-setup ## run the benchmarks, then the goals as a table; BENCH=name picks some
	$(if $(filter Goals,$(BENCH)),,$(GO) test -run '^$$' -bench '$(BENCH)' -skip '^BenchmarkGoals$$' -benchmem -p 1 \
	  $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u))
	$(if $(filter . Goals,$(BENCH)),$(GO) test -run '^$$' -bench '^BenchmarkGoals$$' -timeout 30m ./runtime/engine)

fuzz: test-setup ## run each fuzz target for FUZZTIME (30s)
	@grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed -E 's|/[^/]*:func | |' | sort -u | \
	while read -r dir target; do \
	  echo "== $$dir $$target"; \
	  $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	done

soak: test-setup ## run the tests named Soak at their full length
	SNAPRAIL_SOAK=1 $(GO) test -count 1 -timeout 2h -p 1 -v -run Soak ./...

abuse: test-setup ## run the abuse cases at full length (20 minutes), then what was measured as a table
	$(GO) vet -tags abuse ./runtime/...
	@$(GO_TEST) -tags abuse -count 1 -p 1 -timeout 30m -run Abuse $$($(GO) list ./... | grep -v /runtime/abusetest)
	$(GO) test -tags abuse -count 1 -timeout 1h -v ./runtime/abusetest

clean: ## remove what was built
	rm -rf bin connectors-wasm/dist $(SHELF) testdata/guests/dist $(AS_DIR)/node_modules

# A guest is packed with the manifest beside its source, if it has one.
define guest
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm $(GO) build -C $(1) -trimpath -buildmode=c-shared -ldflags '-s -w' -o $(CURDIR)/$@ .
	$(call pack,$(1))
endef
pack = $(if $(wildcard $(1)/manifest.json),bin/.pack pack $@ --manifest $(1)/manifest.json)

connectors-wasm/dist/%.wasm: $$(call sources,connectors-wasm/$$*) $(SDK) go.mod bin/.pack
	$(call guest,connectors-wasm/$*)

# What the binary carries: all of them, packed together.
$(SHELF): $(GUESTS) $(wildcard connectors-wasm/shelf/*.go .ci/shelve/*.go)
	$(GO) run ./.ci/shelve $@ $(GUESTS)

testdata/guests/dist/%.wasm: $$(call sources,testdata/guests/$$*) $(SDK) go.mod bin/.pack
	$(call guest,testdata/guests/$*)

# The same guest with another manifest: it has a loop of its own too.
testdata/guests/dist/parleyrun.wasm: $$(call sources,testdata/guests/parley testdata/guests/parleyrun) $(SDK) go.mod bin/.pack
	$(call guest,testdata/guests/parley)
	bin/.pack pack $@ --manifest testdata/guests/parleyrun/manifest.json

CFLAGS := -O2 -Wall -Wextra -Wl,--strip-all
$(call in_dist,$(C_GUESTS)): testdata/guests/dist/%.wasm: $$(call sources,testdata/guests/$$*) bin/.pack
	@mkdir -p $(@D)
	$(CLANG) --target=wasm32 $(CFLAGS) -ffreestanding -nostdlib -mbulk-memory -msign-ext -Wl,--no-entry -o $@ testdata/guests/$*/main.c
	$(call pack,testdata/guests/$*)

testdata/guests/dist/cdevice.wasm: CFLAGS += -Wl,-z,stack-size=8192 # one page in all

$(call in_dist,$(WASI_C)): testdata/guests/dist/%.wasm: $$(call sources,testdata/guests/$$*)
	@mkdir -p $(@D)
	$(CLANG) --target=wasm32-wasi $(CFLAGS) -mexec-model=reactor -o $@ testdata/guests/$*/main.c

$(call in_dist,$(RUST)): target := wasm32-unknown-unknown
$(call in_dist,$(WASI_RUST)): target := wasm32-wasi
$(call in_dist,$(RUST) $(WASI_RUST)): testdata/guests/rusttally/main.rs
	@mkdir -p $(@D)
	$(RUSTC) --edition 2021 --crate-type cdylib --target $(target) -C opt-level=s -C lto -C panic=abort -C strip=symbols -o $@ $<

$(call in_dist,$(AS_GUESTS)): testdata/guests/dist/%.wasm: $(AS_DIR)/%.ts $(AS_DIR)/tally.ts $(AS_DIR)/package-lock.json
	@mkdir -p $(@D)
	cd $(AS_DIR) && node_modules/.bin/asc $*.ts -o $(CURDIR)/$@ -O3 --runtime incremental --use abort=tally/stop

# The binary carries the guests and packs them: this one is built without them.
bin/.pack: $(PACK_SOURCES) $(SDK)
	$(GO_BUILD) -o $@ ./cmd/snaprail

bin/golangci-lint-$(LINT_VERSION):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/golangci-lint $@
