# The one entry point: what is built, run and tested is built, run and tested from here.
# `make` alone lists the targets. Everything that is made goes to target/ (cargo),
# build/ (the rest) and .venv/.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The Go and C++ parts link the library from the default target directory.
unexport CARGO_TARGET_DIR

PYTHON := .venv/bin/python
LIB := target/release/libraft.a
CXX := g++
CXXFLAGS := -std=c++17 -O2 -g -Wall -Wextra -pedantic
SYSTEM_LIBS := -lpthread -ldl -lm

# For example: make demo DEMO="--nodes go,go,cpp --keys 20000"
DEMO :=

# For how many seconds each part of make soak goes on.
SOAK := 600

.PHONY: help
help: ## list the targets
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo 'make demo DEMO="--help" shows what demo and cluster can be told.'

## Running

.PHONY: demo
demo: servers ## build everything and run the demo: three nodes, three languages
	@python3 examples/kv/demo/demo.py $(DEMO)

.PHONY: cluster
cluster: servers ## start the same cluster and leave it up until Ctrl-C
	@python3 examples/kv/demo/demo.py --stay $(DEMO)

.PHONY: dashboard
dashboard: servers ## test the page of the key-value cluster in a headless Chromium
	@scripts/bootstrap test
	@$(PYTHON) -m pytest -q examples/kv/tests/test_dashboard.py

.PHONY: screenshot
screenshot: servers ## take the picture of that page which the READMEs show
	@scripts/bootstrap test
	@$(PYTHON) examples/kv/tests/screenshot.py docs/images/dashboard.png

.PHONY: soak-kv
soak-kv: servers build/e2e-run ## long runs of the key-value cluster under faults: SOAK=seconds of each of two
	@python3 examples/kv/demo/demo.py --soak $(SOAK) $(DEMO)
	@build/e2e-run -seconds $(SOAK) -seed $(SEED) $(E2E)

# Each in its long form, hours in all; what fails ends it, with the line that repeats it.
.PHONY: soak
soak: ## everything that can go on for longer than in make test, one after the other: SOAK=seconds
	@scripts/bootstrap test
	@$(MAKE) soak-kv
	@$(MAKE) sim SEEDS=100000 FROM=$(SEED)
	@$(MAKE) mutants
	@$(MAKE) explore LONG=1
	@$(MAKE) fuzz FUZZ_SECONDS=$(SOAK)
	@$(MAKE) faults
	@$(MAKE) sanitize
	@$(MAKE) lockstep STEPS=10000000
	@$(MAKE) interop ROUNDS=200
	@$(MAKE) code-mutants

.PHONY: bootstrap
bootstrap: ## install what is missing to build and run
	@scripts/bootstrap run

## Building

.PHONY: all
all: lib cpp go python ## build all parts

.PHONY: lib
lib: ## the C library: target/release/libraft.so and libraft.a
	@scripts/lib
	@scripts/go-lib

.PHONY: go-lib
go-lib: lib ## the library inside the Go module, for each platform that Rust can compile for here
	@scripts/go-lib --all

.PHONY: cpp
cpp: ## the C++ server
	@$(MAKE) -j$$(nproc) build/kv-cpp

.PHONY: go
go: build/kv-go ## the Go server

.PHONY: python
python: bootstrap ## the Python package, into .venv
	VIRTUAL_ENV="$(CURDIR)/.venv" .venv/bin/maturin develop --release --quiet -m python/Cargo.toml

# One wheel for CPython 3.11 and all later ones, with the manylinux tag that the symbols of libc it
# needs allow; and the sources of all the crates that it is made of.
.PHONY: wheel
wheel: bootstrap ## the Python wheel and sdist, into build/dist
	@rm -rf build/dist
	@mkdir -p build/dist
	.venv/bin/maturin build --release --quiet --interpreter "$(CURDIR)/.venv/bin/python" -m python/Cargo.toml --out build/dist
	.venv/bin/maturin sdist -m python/Cargo.toml --out build/dist

# The way of somebody who has the sdist, Rust, and nothing else of this project.
.PHONY: wheel-from-sdist
wheel-from-sdist: wheel ## install the sdist outside of the checkout and run it there (a minute)
	@tests/wheel/from-sdist

# Cargo decides whether the library is up to date; it leaves the file alone if it is.
$(LIB): lib ;

build build/kv-cpp.o:
	@mkdir -p $@

CPP_PACKAGES := cpp-httplib nlohmann_json libcrypto
CPP_SOURCES := $(wildcard examples/kv/cpp/*.cpp)
CPP_OBJECTS := $(CPP_SOURCES:examples/kv/cpp/%.cpp=build/kv-cpp.o/%.o)

build/kv-cpp.o/%.o: examples/kv/cpp/%.cpp $(wildcard examples/kv/cpp/*.hpp include/*) | build/kv-cpp.o
	$(CXX) $(CXXFLAGS) -Iinclude $$(pkg-config --cflags $(CPP_PACKAGES)) -c $< -o $@

build/kv-cpp: $(CPP_OBJECTS) $(LIB)
	$(CXX) $^ $$(pkg-config --libs $(CPP_PACKAGES)) $(SYSTEM_LIBS) -o $@

.PHONY: build/kv-go
build/kv-go: $(LIB) | build
	cd examples/kv/go && go build -o ../../../$@ .

# The servers of all languages whose tool chain this machine has. The demo takes the
# ones that are there, and says which it had to replace.
.PHONY: servers
servers: bootstrap lib
	@for language in cpp go python; do \
	    if reason=$$(scripts/toolchain $$language); then \
	        $(MAKE) $$language || exit 1; \
	    else \
	        echo "without the $$language server: $$reason"; rm -f build/kv-$$language; \
	    fi; \
	done

# For example: make install PREFIX=/usr LIBDIR=lib/x86_64-linux-gnu DESTDIR=/tmp/package. Where there is no
# cargo, and under sudo, what has been built is installed: root is not to build in somebody's folder.
PREFIX := /usr/local
DESTDIR :=
LIBDIR :=
INSTALL := PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" LIBDIR="$(LIBDIR)" ffi/packaging/install

.PHONY: install
install: $(if $(SUDO_USER),,$(if $(shell command -v cargo),lib)) ## install the C library: PREFIX=, LIBDIR=, DESTDIR=
	@$(INSTALL)

.PHONY: uninstall
uninstall: ## remove what make install has put there: the same PREFIX=, LIBDIR=, DESTDIR=
	@$(INSTALL) --uninstall

# The test that checks for drift writes it when it is asked to.
.PHONY: header
header: ## write include/libraft.h anew from the sources of ffi/
	LIBRAFT_BLESS=1 cargo test --quiet -p libraft-ffi --test header

.PHONY: proto
proto: ## write core/src/proto anew from the definitions in core/proto
	LIBRAFT_BLESS=1 cargo test --quiet -p libraft-core --test generated

## Documentation

.PHONY: docs
docs: ## build the documentation: build/docs/site/index.html
	@scripts/bootstrap docs
	@scripts/docs

.PHONY: docs-c
docs-c: ## only the reference of libraft.h and libraft.hpp: build/docs/c/index.html
	@scripts/bootstrap docs
	@rm -rf build/docs/c
	@mkdir -p build/docs
	@doxygen ffi/docs/Doxyfile

.PHONY: docs-samples
docs-samples: lib python ## compile and run all code that the documentation shows
	@scripts/bootstrap docs
	@docs/samples/run

## Checking

.PHONY: test
test: ## run every test, lint and drift check
	@scripts/bootstrap test
	@python3 scripts/test

# For example: make sim SEEDS=10000, make sim SEED=7 TRACE=run.html, make sim SCRIPT=build/sim/seed-7.script
# What was given, not what other targets have by default: the seed, for instance.
given = $(if $(filter command environment,$(firstword $(origin $1))),$($1))
SIM_ARGUMENTS = $(foreach name,SEEDS SEED FROM STEPS TWICE TRACE RECORD REPLAY SCRIPT LAST JOBS SHRINK,$(if $(call given,$(name)),\
    --$(shell echo $(name) | tr A-Z a-z) "$($(name))"))

.PHONY: sim
sim: ## simulate whole clusters under faults: SEEDS=n, or SEED=n TRACE=out.html
	@scripts/bootstrap test
	@cargo build --quiet --profile sim -p libraft-simulation
	@target/sim/simulate $(SIM_ARGUMENTS)

# For example: make replay FILE=node.raftrec ARGS="--from 100 --to 200"
FILE :=
ARGS :=

.PHONY: replay
replay: ## show a recording of a node, and do it again: FILE=node.raftrec
	@scripts/bootstrap test
	@cargo run --quiet --release -p libraft-replay -- $(ARGS) "$(FILE)"

# For example: make mutants BASES=3, make mutants MUTANT=10, make mutants MUTANT=10 SEED=7 TRACE=run.html.
# KNOWN=1 plays only the seeds that are known to find one each, and BLESS=1 writes those down anew.
# Programs that run during the build are shared with the others, which are built without the cfg.
MUTANT :=
KNOWN :=
BLESS :=
MUTANT_SEEDS := tests/simulation/mutants.txt

.PHONY: mutants
mutants: ## see whether the simulation finds known bugs: BASES=n, MUTANT=n
	@scripts/bootstrap test
	@host=$$(rustc -vV | sed -n 's/^host: //p') && \
	RUSTFLAGS='--cfg libraft_mutants' cargo build --quiet --profile sim -p libraft-simulation --target $$host && \
	target/$$host/sim/simulate $(if $(MUTANT),--mutant $(MUTANT)) $(SIM_ARGUMENTS) \
	    $(if $(KNOWN),--known $(MUTANT_SEEDS),$(if $(call given,SEEDS)$(call given,SEED)$(call given,SCRIPT),,--bases $(or $(BASES),5))) \
	    $(if $(MOST),--most $(MOST)) $(if $(BLESS),--bless $(MUTANT_SEEDS))

# .cargo/mutants.toml says what is changed, and why some changes don't count.
.PHONY: code-mutants
code-mutants: | build ## change the core in one place at a time, and see whether its tests notice (an hour)
	@scripts/bootstrap test
	@cargo mutants --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-mutants
	@cargo mutants --package libraft-core --output build --no-shuffle

# For example: make explore LONG=1, make explore ONLY=removal SET=campaigns=3,crashes=1
EXPLORE_ARGUMENTS = $(if $(LONG),--long) $(if $(LONG)$(call given,JOBS),--jobs "$(or $(call given,JOBS),1)") \
    $(foreach name,ONLY SET LIMIT,$(if $(call given,$(name)),--$(shell echo $(name) | tr A-Z a-z) "$($(name))"))

.PHONY: explore
explore: ## visit every state of small clusters: LONG=1 for larger bounds
	@scripts/bootstrap test
ifneq ($(MUTANT),)
	@host=$$(rustc -vV | sed -n 's/^host: //p') && \
	RUSTFLAGS='--cfg libraft_mutants' cargo build --quiet --profile sim -p libraft-explore --target $$host && \
	target/$$host/sim/explore --mutant $(MUTANT) $(EXPLORE_ARGUMENTS)
else
	@cargo build --quiet --profile sim -p libraft-explore
	@target/sim/explore $(EXPLORE_ARGUMENTS)
endif

# For example: make fuzz TARGET=abi FUZZ_SECONDS=3600. With a FUZZ_SEED it takes the same way each time.
FUZZ_SECONDS := 600
FUZZ_SEED := 0
TARGET :=

.PHONY: fuzz
fuzz: ## let the fuzzers run, each for FUZZ_SECONDS, or only one TARGET
	@scripts/bootstrap test
	@python3 tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) $(if $(TARGET),--target $(TARGET))

# How many times as many combinations of faults as the tests try: make faults TIMES=200 for all.
TIMES := 10

.PHONY: faults
faults: lib ## let the disk of the durable storage fail at every operation: TIMES=n
	@scripts/bootstrap test
	@LIBRAFT_FAULTS=$(TIMES) cargo test --release -p libraft-storage --lib faults:: -- --nocapture
	@cargo test --release -p libraft-storage --test processes --test system
	@tests/faults/run

# The recorded scripts to play: make conformance SCRIPTS=dir
SCRIPTS :=

.PHONY: conformance
conformance: ## play recorded scripts of etcd-io/raft and compare
	@scripts/bootstrap test
	@$(MAKE) lib
	@$(MAKE) -C tests/conformance players
	@python3 tests/conformance/conformance.py $(or $(SCRIPTS),--optional ../shared/conformance)

# How much the random tests and the measurements do; each has a default of its own.
SEED := 1
STEPS :=
ROUNDS :=

# For example: make interop MIX=3.6 SEED=7 ROUNDS=100
MIX := all

.PHONY: interop
interop: lib ## run clusters that mix nodes of etcd-io/raft with ours
	@$(MAKE) -C tests/interop run \
	    ARGS='-mix $(MIX) -seed $(SEED) -rounds $(or $(ROUNDS),20) -steps $(or $(STEPS),20000)'

# For example: make lockstep SEED=7 STEPS=1000000, or make lockstep SCRIPT=file
SCRIPT :=
LOCKSTEP :=

.PHONY: lockstep
lockstep: lib ## compare with etcd-io/raft after each of many random inputs
	@cd tests/lockstep && go run . $(LOCKSTEP) \
	    $(if $(SCRIPT),-script '$(abspath $(SCRIPT))',-seed $(SEED) -steps $(or $(STEPS),100000))

# For example: make e2e E2E="-seconds 180 -seed 7 -servers go,go,cpp", make e2e E2E="-wrong all"
E2E :=

.PHONY: e2e
e2e: servers build/e2e-run ## kill, pause, cut off and replace real servers, and check what clients saw
	@build/e2e-run $(E2E)

.PHONY: build/e2e-run
build/e2e-run: | build
	cd tests/e2e && go build -o ../../$@ .

# For example: make sanitize ONLY=c-tsan,go-race
.PHONY: sanitize
sanitize: ## run the tests under sanitizers, valgrind, race detectors, and the leak tests
	@scripts/bootstrap test
	@$(MAKE) lib python
	@tests/sanitize/run $(ONLY)

# For example: make leaks LEAKS='--nodes 1000000 --only c,go'
LEAKS :=

.PHONY: leaks
leaks: lib python ## create and free 100,000 nodes in each language: memory stays flat
	@tests/leaks/run $(LEAKS)

.PHONY: lint
lint: ## only the formats, lints and documentation checks
	@scripts/bootstrap test
	@python3 scripts/test --lint

.PHONY: staticcheck
staticcheck: ## run staticcheck on all Go modules
	@scripts/go-lib --header
	@scripts/staticcheck --all

.PHONY: semver
semver: ## compare what Rust programs can name with the committed lists: BLESS=1 writes them anew
	@scripts/bootstrap test
	@cargo run --quiet -p libraft-public-api -- $(if $(BLESS),--bless)

.PHONY: fmt
fmt: ## format all sources
	@scripts/bootstrap test
	cargo fmt --all
	cargo fmt --manifest-path tests/fuzz/Cargo.toml
	@for module in bindings/go examples/kv/go tests/interop tests/dropin tests/lockstep tests/leaks/go tests/e2e; do if [ -d $$module ]; then gofmt -l -w $$module; fi; done
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

## Measuring

# For example: make bench ONLY=rep3_b1_16 ROUNDS=5. RESUME=1 goes on with a run that was interrupted.
ONLY :=
RESUME :=
WORKLOAD := rep3_b1_16

.PHONY: bench
bench: lib python $(if $(ONLY),,servers) ## measure libraft beside its peers, which are fetched and built first
	@scripts/bootstrap bench
	@python3 tests/bench/bench.py run --only "$(ONLY)" --rounds $(or $(ROUNDS),15) $(if $(RESUME),--resume)

.PHONY: bench-publish
bench-publish: lib python $(if $(ONLY),,servers) ## the same, and write the tables in the READMEs
	@scripts/bootstrap bench
	@python3 tests/bench/bench.py run --only "$(ONLY)" --rounds $(or $(ROUNDS),15) $(if $(RESUME),--resume) --publish

# For example: make bench-kv KV="--only Go,mixed --seconds 10", make bench-kv KV="--profile Go"
KV :=

.PHONY: bench-kv
bench-kv: servers ## load the key-value servers, three nodes of each language and mixed
	@python3 tests/bench/bench.py kv $(KV)

.PHONY: bench-gate
bench-gate: lib ## fail if our instructions or allocations have grown by more than 2%
	@scripts/bootstrap test
	@python3 tests/bench/bench.py gate

.PHONY: bench-bless
bench-bless: lib ## make the present instructions and allocations the baseline of bench-gate
	@scripts/bootstrap test
	@python3 tests/bench/bench.py gate --bless

# For example: make profile WORKLOAD=rep3_b1_16 OF=c TOOL=callgrind, OF="rust best", OF="etcd 3.7". Without
# TOOL, it is perf if that is permitted, and callgrind if not.
OF := rust
TOOL := auto

.PHONY: profile
profile: lib ## draw a flame graph of a workload: make profile WORKLOAD=rep3_b64_16 OF=c
	@scripts/bootstrap test
	@python3 tests/bench/bench.py profile $(WORKLOAD) --contestant "$(OF)" --tool $(TOOL)

.PHONY: clean
clean: ## remove everything that was made
	rm -rf build target .venv
	find . -name __pycache__ -prune -exec rm -rf {} +
