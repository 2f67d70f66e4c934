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
TEST_GUESTS := $(patsubst testdata/guests/%/main.go,testdata/guests/dist/%.wasm,$(wildcard testdata/guests/*/main.go))

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
.PHONY: help build wasm run test-setup test race lint fmt tidy-check bench fuzz soak clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: wasm ## build bin/snaprail with the connectors it ships
	$(GO_BUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o bin/snaprail ./cmd/snaprail

wasm: $(GUESTS) $(TEST_GUESTS) ## build the connectors and the guests that tests run

run: build ## build, then start the demo
	exec bin/snaprail demo

test-setup: ## fetch and build what the tests need
	$(GO) mod download
	$(MAKE) --no-print-directory wasm

test: test-setup ## run all tests; STRICT=1 makes a skip a failure
	$(GO) vet ./... ./.ci/summary
	@$(GO_TEST) ./... ./.ci/summary

race: test-setup ## run all tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GO_TEST) -race ./...

lint: $(GOLANGCI) ## run the linters, over what is built for guests too
	$(GOLANGCI) run ./... ./.ci/summary
	GOOS=wasip1 GOARCH=wasm $(GOLANGCI) run --tests=false ./guest-sdk/go/... ./connectors-wasm/... $(if $(TEST_GUESTS),./testdata/guests/...)

fmt: $(GOLANGCI) ## format the sources
	$(GOLANGCI) fmt ./...

tidy-check: ## fail if go.mod or go.sum are not tidy
	$(GO) mod tidy -diff

bench: test-setup ## run the benchmarks; BENCH=name picks some
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 \
	  $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u)

fuzz: test-setup ## run each fuzz target for FUZZTIME (30s)
	@grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed -E 's|/[^/]*:func | |' | sort -u | \
	while read -r dir target; do \
	  echo "== $$dir $$target"; \
	  $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	done

soak: test-setup ## run the tests named Soak at their full length
	SNAPRAIL_SOAK=1 $(GO) test -count 1 -timeout 2h -p 1 -v -run Soak ./...

clean: ## remove what was built
	rm -rf bin connectors-wasm/dist/*.wasm testdata/guests/dist

# A guest is packed with the manifest beside its source, if it has one.
define guest
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm $(GO_BUILD) -buildmode=c-shared -ldflags '-s -w' -o $@ ./$(1)
	$(if $(wildcard $(1)/manifest.json),bin/.pack pack $@ --manifest $(1)/manifest.json)
endef

connectors-wasm/dist/%.wasm: $$(call sources,connectors-wasm/$$*) $(SDK) go.mod bin/.pack
	$(call guest,connectors-wasm/$*)

testdata/guests/dist/%.wasm: $$(call sources,testdata/guests/$$*) $(SDK) go.mod bin/.pack
	$(call guest,testdata/guests/$*)

# The binary carries the guests and packs them: this one is built without them.
bin/.pack: $(PACK_SOURCES) $(SDK)
	$(GO_BUILD) -o $@ ./cmd/snaprail

bin/golangci-lint-$(LINT_VERSION):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/golangci-lint $@
