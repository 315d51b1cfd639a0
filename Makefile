# A thin face over the CMake presets. `make demo` and `make check` are all a newcomer needs.
.PHONY: all demo check check-asan check-tsan kill-long stress-long bench bench-latency bench-cluster \
        install-packages fuzz clean help

all: build/release/build.ninja
	cmake --build --preset release

help:
	@echo "make demo        install what is missing, build, and watch one whole migration"
	@echo "make check       build and run all tests"
	@echo "make check-asan  the same under AddressSanitizer and UBSan"
	@echo "make check-tsan  the tests of threaded code under ThreadSanitizer"
	@echo "make kill-long   kill and resume a run a few hundred times"
	@echo "make stress-long migrations under live traffic, killed and resumed, for half an hour"
	@echo "make bench       rekey beside bare LMDB loops and scripts, with targets (takes minutes)"
	@echo "make bench-latency  an application's puts, idle and beside a run (takes minutes)"
	@echo "make bench-cluster  one node and two beside one process (takes minutes)"
	@echo "make fuzz        every decoder under libFuzzer, a minute each"

# Installs only what is missing, so that a machine that has everything needs no root.
install-packages:
	@.ci/install-packages

build/%/build.ninja: CMakeLists.txt CMakePresets.json
	cmake --preset $*

demo: install-packages
	cmake --preset release
	cmake --build --preset release --target rekey-cli
	build/release/rekey/cli/rekey demo

check: install-packages
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev

check-asan: install-packages
	cmake --preset asan
	cmake --build --preset asan
	ctest --preset asan

check-tsan: install-packages
	cmake --preset tsan
	cmake --build --preset tsan
	ctest --preset tsan

kill-long: install-packages
	cmake --preset release
	cmake --build --preset release
	REKEY_KILLS=300 ctest --preset release -R integration.kill

stress-long: install-packages
	cmake --preset release
	cmake --build --preset release
	cd tests/stress && REKEY_STRESS_ROUNDS=60 PYTHONDONTWRITEBYTECODE=1 \
	    REKEY_BIN=$(CURDIR)/build/release/rekey/cli/rekey \
	    REKEY_STRESS_WORKER=$(CURDIR)/build/release/tests/stress/stress-worker \
	    /usr/bin/python3 -m unittest test_stress
	REKEY_STRESS_BOTH=1 ctest --preset release -R stress.faults

bench: install-packages
	cmake --preset release
	cmake --build --preset release
	bench/rekey-bench move move-gsi1 scripts plan verify contract --build build/release

bench-latency: install-packages
	cmake --preset release
	cmake --build --preset release
	bench/rekey-bench foreground --build build/release

bench-cluster: install-packages
	cmake --preset release
	cmake --build --preset release
	bench/cluster.py build/release

fuzz: install-packages
	cmake --preset fuzz
	cmake --build --preset fuzz
	tests/fuzz/run.sh build/fuzz

clean:
	rm -rf build
