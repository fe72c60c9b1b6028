# make demo   builds rondo, pages included, and shows the main job
# make test   installs what the tests need and runs them all
# make bench  prints the measured figures beside the peers'
# make soak   the long runs: more kills, more random sequences

GO ?= go
FUZZTIME ?= 20m
SHELL = /bin/bash
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o rondo ./cmd/rondo

.PHONY: demo build test bench soak pages deps clean

demo: build
	./rondo demo

build: pages
	$(BUILD)

# The pages' third-party files come from npm; our own need no building.
pages: web/static/vendor/uPlot.esm.js

web/static/vendor/uPlot.esm.js: web/package-lock.json web/vendor.sh
	./web/vendor.sh

deps:
	.ci/deps

# One pass, with the race detector on. A skipped test is a failure here: deps
# has installed what the tests talk to.
test: deps pages
	@test -z "$$(gofmt -l cmd rrd syslogd collectors alerts web autoscale)" || { gofmt -l .; exit 1; }
	@mkdir -p .cache
	@set -o pipefail; $(GO) test -race -shuffle=on -timeout=25m -v ./... 2>&1 | tee .cache/test.log \
		| grep -E '^(ok|FAIL|panic|-test.shuffle)|^ *--- (FAIL|SKIP)|_test.go:|no test files' | grep -v -- '-test.shuffle' || { grep -E -A 3 -B 25 '^ +(FAIL: testdata|> .*)$$|DATA RACE|^panic:|^ *--- FAIL' .cache/test.log | tail -n 200; exit 1; }
	@! grep -E '^ *--- SKIP' .cache/test.log

# The program is the test binary itself, in a process of its own.
bench: pages
	$(GO) test -run '^$$' -bench Figures -benchtime=1x -timeout=60m ./cmd/rondo
	$(GO) test -run '^$$' -bench Policies -benchtime=1x ./autoscale/replay
	$(GO) test -run '^$$' -bench Spread -benchtime=1x ./autoscale/redirect

# Hours, not minutes. Each run prints its seed and count.
soak:
	RONDO_KILLS=1000 $(GO) test -timeout=0 -count=1 -v -run 'TestCrash$$' ./cmd/rondo
	RONDO_AGENT_KILLS=500 $(GO) test -timeout=0 -count=1 -v -run 'TestAgentKilled$$' ./cmd/rondo
	$(GO) test -timeout=0 -count=1 -v -run 'TestOnce$$' ./collectors/agent -rapid.checks=100000
	RONDO_RELAY_KILLS=1000 $(GO) test -timeout=0 -count=1 -v -run 'TestRelayKilled$$' ./cmd/rondo
	$(GO) test -timeout=0 -count=1 -v -run 'TestModel$$|TestPowerLoss$$|TestFullDisk$$' ./rrd/store -rapid.checks=10000
	RONDO_LOG_CRASHES=10000 $(GO) test -timeout=0 -count=1 -v -run TestCrashAtSteps ./syslogd/logstore
	$(GO) test -timeout=0 -count=1 -v -run TestHistories ./syslogd/tail -tail.histories=1000000 -tail.seed=$$(date +%s)000000
	$(GO) test -timeout=0 -count=1 -v -run TestHistories ./alerts/notify/dispatch -rapid.checks=10000
	for t in Matchers Interval Stored; do $(GO) test -timeout=0 -run '^$$' -fuzz "^Fuzz$$t$$" -fuzztime=$(FUZZTIME) ./alerts/notify/dispatch || exit 1; done
	RONDO_FLIPS=10000 $(GO) test -timeout=0 -count=1 -v -run TestFlippedBits ./rrd/store
	RONDO_CRASH_RUNS=10000 $(GO) test -timeout=0 -count=1 -v -run TestCrash ./autoscale
	RONDO_SCALE_INS=5000 $(GO) test -timeout=0 -count=1 -v -run TestNoFalseAlarm ./autoscale
	RONDO_CRASH_RUNS=5000 $(GO) test -timeout=0 -count=1 -v -run 'TestRandomRefreshes|TestRefreshCrashAtSteps' ./autoscale
	RONDO_REFRESH_KILLS=100 $(GO) test -timeout=0 -count=1 -v -run TestRefreshKilled ./cmd/rondo
	RONDO_SCALE_KILLS=300 $(GO) test -timeout=0 -count=1 -v -run TestScaleKilled ./cmd/rondo
	RONDO_STORM=30m $(GO) test -timeout=0 -count=1 -v -run TestStorm ./autoscale/ec2
	RONDO_RAIDS=100000 $(GO) test -timeout=0 -count=1 -v -run TestRaids ./autoscale
	RONDO_BLACKOUTS=5000 $(GO) test -timeout=0 -count=1 -v -run TestBlackouts ./autoscale
	RONDO_BUDGETS=2000 $(GO) test -timeout=0 -count=1 -v -run TestRandomBudgets ./autoscale
	RONDO_RAIDS=100000 $(GO) test -timeout=0 -count=1 -v -run TestTerminateReadsAgain ./autoscale/ec2
	$(GO) test -timeout=0 -count=1 -v -run TestAgainstRRDtool ./rrd -rrdtool.runs=1000000
	$(GO) test -timeout=0 -count=1 -v -run 'TestContinues|TestXML' ./rrd/rrdfile -rrdfile.runs=20000
	$(GO) test -timeout=0 -count=1 -v -run TestAgainstNagios ./alerts -nagios.services=8000
	$(GO) test -timeout=0 -count=1 -v -run TestAgainstPromtool ./alerts/ruletest -rapid.checks=5000 -rapid.seed=$$(date +%s)
	$(GO) test -timeout=0 -count=1 -v -run 'TestLaws$$' ./alerts/fleet/join -rapid.checks=100000
	$(GO) test -timeout=0 -run '^$$' -fuzz '^FuzzVerify$$' -fuzztime=$(FUZZTIME) ./alerts/fleet/iid
	$(GO) test -timeout=0 -count=1 -v -run 'TestRedact|TestDedupIsExact|TestAccounts' ./syslogd/stage -rapid.checks=1000000
	$(GO) test -timeout=0 -count=1 -v -run 'TestStepLaws|TestClockSteps|TestToldPairsUp' ./alerts -rapid.checks=100000
	$(GO) test -timeout=0 -run '^$$' -fuzz '^FuzzRecord$$' -fuzztime=$(FUZZTIME) ./alerts
	for t in syslog:FuzzParse syslog:FuzzBinary syslog:FuzzRoundTrip spool:FuzzTail syslog:FuzzFramer syslog:FuzzSD syslog/gelf:FuzzDecode syslog/gelf:FuzzChunks \
		tail:FuzzSplit tail:FuzzState tail:FuzzMark syslog/gelf:FuzzStream syslog/gelf:FuzzJSON syslog/journal:FuzzReader .:FuzzEqualsGoSyslog \
		macro:FuzzPath macro:FuzzLine syslog/jsonl:FuzzParse logfile:FuzzReader logimport:FuzzParsePortion stage:FuzzRedact stage:FuzzParse extract:FuzzJSON; do \
		$(GO) test -timeout=0 -run '^$$' -fuzz "^$${t#*:}$$" -fuzztime=$(FUZZTIME) ./syslogd/$${t%:*} || exit 1; done

clean:
	rm -rf rondo data .cache web/node_modules
