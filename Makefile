# The front door. Everything real is in CMakeLists.txt and scripts/.

.PHONY: build run demo test bench fuzz deb deb-test live format setup clean

build: setup
	cmake --preset release >build/release.cmake.log 2>&1 || { cat build/release.cmake.log; exit 1; }
	cmake --build --preset release --target callee

# Installs what is missing, once. Prints nothing when there is nothing to do.
setup:
	@mkdir -p build
	@sh scripts/setup.sh build

# The server with the demo business, one call to it, and the server stays up.
run: build
	@sh scripts/run.sh

# The same, and out again.
demo: build
	@sh scripts/run.sh --once

test:
	@sh scripts/test.sh

bench: build
	cmake --build --preset release --target bench
	@sh scripts/bench.sh

# Minutes for each fuzzer; findings are written to build/fuzz.
MINUTES ?= 1
fuzz:
	@sh scripts/fuzz.sh $(MINUTES)

# build/callee_VERSION_ARCH.deb; and installed, used, upgraded and purged in a Debian of its own (root).
deb: build
	@sh scripts/setup.sh deb
	@sh scripts/deb.sh

deb-test: deb
	@sh scripts/setup.sh deb-test
	@sh test/deb/test.sh

# Against the real OpenAI and Twilio where keys are set; says what it costs. See scripts/live.sh.
live: build
	@sh scripts/live.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build
