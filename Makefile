# Go and make are all that a fresh machine needs; what else the tests need, make test
# brings. `make help` lists the targets.

GO     ?= go
BIN    := bin/correlate
SHOP   := fixtures/shop/logs
# The request that make demo investigates: one of those in fixtures/shop/truth.jsonl.
DEMO_ID ?= 13b0000d4d46a601846868c7713274f2
# Packages with goroutines, tested for data races too, but for tests that take long and start no goroutine that others of them do not.
RACE      := ./ingest/file ./ingest/sourcetest ./timeline
RACE_SKIP := TestIndexGives|TestIndexAfterChanges/(damaged|version|empty|cut_off|size|truncated|packed|rotated|a_new_file|as_it_was)|TestClocksHoldTheTruth/400|TestSkimAgrees|TestStep|TestRuns|TestFit|TestClockOfMoments
# Lint vets all packages, those with the tag live too: to do it again before each test takes minutes on a fresh machine.
TEST   := $(GO) test -vet=off
# Servers that make servers starts, of those that internal/testserver knows. The newest need Java 21.
SERVERS ?= elasticsearch-8.17.4 opensearch-2.19.3
NEWEST  := elasticsearch-9.1.0 opensearch-3.1.0
# Tests of ingest/elastic that ask each server that runs; the others start servers of their own.
EACH   := SourceContract|OneLineEach|Shippers|Fields|OpenErrors|Names|OfAllFormats|Hostile
# Time for each fuzz target.
FUZZTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help demo build test test-needs servers lint bench bench-cluster microbench accuracy clocklab update fuzz lab

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## investigate one failing request of the shipped incident
	$(BIN) investigate $(or $(DEMO_ID),--latest) $(SHOP)

build: ## build bin/correlate
	$(GO) build -o $(BIN) ./cmd/correlate

test: test-needs ## run all tests, lint among them
	$(TEST) -timeout 20m ./...
	$(TEST) -timeout 15m -race -skip '$(RACE_SKIP)' $(RACE)
	$(TEST) -timeout 60m -tags live -run TestLiveBuild -v ./internal/testserver
	$(TEST) -timeout 10m -tags live -run TestLive ./ingest/loki ./ingest/trace ./fixtures
	$(MAKE) servers CMD='$(TEST) -timeout 15m -tags live -run . ./ingest/elastic && $(TEST) -timeout 15m -tags live -run TestShopInClusters ./fixtures'
	$(MAKE) servers SERVERS='$(NEWEST)' CMD='$(TEST) -timeout 15m -tags live -run "$(EACH)" ./ingest/elastic'
	$(TEST) -timeout 15m -tags live -run TestShopNodeDies ./fixtures

# CMD finds them by its environment; without it they run until an interrupt.
servers: ## fetch Elasticsearch and OpenSearch, start them on loopback, run CMD with them and stop them
	$(GO) run ./internal/testserver/with $(SERVERS) $(if $(CMD),-- sh -c '$(CMD)')

# What the tests need beyond Go: a C compiler, for the race detector. Loki and Jaeger are built
# from their modules (internal/testserver), once for .cache/servers. The servers of the
# live test (nginx, HAProxy, PostgreSQL, libfaketime) are installed, started and stopped by
# the lab that it runs, as root on Debian.
test-needs:
	@command -v gcc >/dev/null || command -v cc >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; }

lint: ## run gofmt, vet, staticcheck and the project's own rules
	$(GO) test -count=1 -run 'Lint|Import|SourcesAreListed' .

# SIZE is how large the generated logs are, BENCHFLAGS what else the comparison takes
# (bench/README.md).
SIZE   ?= 2GB
bench: build ## time the decoders, and whole runs on generated logs next to the usual tools
	$(GO) test -run '^$$' -bench BenchmarkDecode -benchtime 200ms -cpu 1 ./ingest/format
	$(GO) run ./bench/pairs -program $(BIN) -size $(SIZE) $(BENCHFLAGS)

# The logs are those of bench, so many that they are a million documents.
bench-cluster: build ## time investigate and batch on a million documents in Elasticsearch
	$(GO) run ./bench/pairs -only none -keep -size 220MB -dir bin/bench
	$(GO) run ./bench/cluster -program $(BIN) -logs bin/bench/220000000-50/plain

microbench: ## run the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

accuracy: ## judge every request of the captured incidents, whole and with logs missing, and compare with the truth
	$(GO) test -count=1 -run "TestAccuracy|TestOneHostMissing|TestLinesLost|TestNothingChanges|TestCalibration" -v ./fixtures -board

# SEEDS and N are the lab's seeds and the number of requests, LABFLAGS what else lab.py takes
# (fixtures/clocklab/README.md). LAB is one set of logs, to be aligned only.
clocklab: ## align simulated logs and compare with their true clocks (needs Python 3)
ifdef LAB
	$(GO) test -count=1 -run 'TestClockLab$$' ./timeline -args -lab=$(abspath $(LAB))
else
	$(GO) test -c -o bin/clocklab.test ./timeline
	python3 fixtures/clocklab/lab.py $(LABFLAGS) --adapter 'bin/clocklab.test -test.run TestClockLab$$ -lab' \
		$(if $(N),--n $(N)) $(if $(SEEDS),--seed $(SEEDS))
endif

update: ## write golden files anew; review the difference
	@set -e; for p in $$(grep -rl --include='*_test.go' 'internal/golden"' . | xargs -rn1 dirname | sort -u); do \
		echo "$(GO) test $$p -update"; $(GO) test -count=1 $$p -update; done
	@set -e; for p in $$(grep -rl --include='*_test.go' 'cockroachdb/datadriven"' . | xargs -rn1 dirname | sort -u); do \
		echo "$(GO) test $$p -rewrite"; $(GO) test -count=1 $$p -rewrite; done

fuzz: ## fuzz every target for FUZZTIME (30s)
	@set -e; grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sort | \
	while IFS=: read -r file line func; do \
		target=$${func#func }; echo "$$(dirname $$file) $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
	done

lab: ## capture the incidents in fixtures/ anew from real servers; CHAIN=shop captures one
	$(GO) run ./fixtures/lab $(if $(CHAIN),-chain $(CHAIN))
