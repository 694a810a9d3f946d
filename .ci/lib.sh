# Shared by the two gates: steps with times, the packages that they install,
# and the steps that both run. Source it from the root of the checkout.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
gate_start=$SECONDS step_start=$SECONDS step_name= times=
tools=$(mktemp -d)
trap 'rm -rf "$tools"; [ -z "${RASLINE_WINE32_ROOT:-}" ] || .ci/wine32 -end "$RASLINE_WINE32_ROOT" || :' EXIT

# step NAME begins a step and records the time of the one before.
step() {
  [ -z "$step_name" ] || times+=$(printf '%5d s  %s' "$((SECONDS - step_start))" "$step_name")$'\n'
  step_name=$1 step_start=$SECONDS
  printf '\n== %s\n' "$1"
}

# finish prints the time of every step and the tests that did without a peer
# of the list in internal/peertest.
finish() {
  step 'done'
  printf 'optional peers that were missing:\n'
  if [ -s "$RASLINE_SKIPPED" ]; then sort -u "$RASLINE_SKIPPED"; else echo none; fi
  printf '\n%s%5d s  in all\n' "$times" "$((SECONDS - gate_start))"
}

install_peers() {
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends socat expect ppp ser2net python3-serial iaxmodem \
    ckermit mgetty minicom inetutils-telnet sredird gensio-bin curl openssl wvdial tmux \
    tshark chromium qemu-system-x86 qemu-user busybox-static cpio kmod xz-utils zstd iproute2 \
    wine wine64 gcc-mingw-w64-x86-64 gcc-mingw-w64-i686 gcc libc6-dev bash >/dev/null
  sh internal/integration/fetch-kernel
}

# make_wine32 makes a 32-bit wine for the tests, or prints the reason why those
# of 32 bits are skipped.
make_wine32() {
  step 'a 32-bit wine'
  local root=/var/tmp/rasline-wine32-$$
  if .ci/wine32 "$root"; then
    export RASLINE_WINE32_ROOT=$root
  else
    echo 'the tests of 32 bits are skipped'
    .ci/wine32 -end "$root" || : # what it leaves is no reason to stop
  fi
}

static_checks() {
  step 'gofmt'
  unformatted=$(gofmt -l .)
  [ -z "$unformatted" ] || { echo "gofmt would change: $unformatted"; exit 1; }

  step 'go.mod is tidy'
  go mod tidy -diff

  step 'go vet for every system'
  for os in linux windows darwin freebsd openbsd; do
    echo "$os"
    GOOS=$os CGO_ENABLED=0 go vet ./...
  done
  GOOS=windows GOARCH=386 CGO_ENABLED=0 go vet ./...

  step 'go vet for every processor of Linux'
  for arch in 386 arm arm64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x loong64; do
    echo "$arch"
    GOARCH=$arch CGO_ENABLED=0 go vet ./port/... ./ras/... ./script/... ./internal/...
  done
  GOARCH=mips GOMIPS=softfloat CGO_ENABLED=0 go build ./...

  step 'build for systems without serial devices of ours'
  for target in netbsd/amd64 dragonfly/amd64 solaris/amd64 illumos/amd64 aix/ppc64 plan9/amd64 js/wasm wasip1/wasm; do
    echo "$target"
    GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go build ./port/... ./ras/... ./script/... ./internal/...
  done

  step 'house'
  go vet .ci/house/main.go
  go run .ci/house/main.go ./...

  step 'staticcheck, on each system alone'
  GOBIN=$tools go install honnef.co/go/tools/cmd/staticcheck@v0.8.2
  "$tools/staticcheck" ./...
  GOOS=windows CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc "$tools/staticcheck" ./...
}

# install_as_user checks that go install, with a version, takes the module and
# makes a rasdial that runs: the checkout is committed and tagged in a repository
# that replaces the published one.
install_as_user() {
  step 'go install of a tagged version'
  local module=$tools/module
  mkdir "$module"
  tar --exclude=./.git -cf - . | tar -xf - -C "$module"
  git -C "$module" init -q
  git -C "$module" add -A
  git -C "$module" -c user.name=gate -c user.email=gate@localhost commit -q -m 'a version'
  git -C "$module" -c user.name=gate -c user.email=gate@localhost tag -a v0.0.1 -m v0.0.1
  (cd "$tools" && GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$module.insteadOf" GIT_CONFIG_VALUE_0=https://github.com/rasline/rasline \
    GOPRIVATE=github.com/rasline GOMODCACHE=$tools/modcache GOFLAGS=-modcacherw GOBIN=$tools \
    go install github.com/rasline/rasline/examples/rasdial@latest)
  "$tools/rasdial" >"$tools/rasdial.log" 2>&1 || { cat "$tools/rasdial.log"; exit 1; }
  rm -rf "$tools/modcache" "$module"
}

# under_qemu GOARCH EMULATOR PACKAGE... runs the tests of packages for another
# processor. Three pseudo-terminals are held open meanwhile: with a terminal
# number of 0 a number that was read in the wrong byte order would go unseen.
under_qemu() {
  local arch=$1 emulator=$2 package binary
  shift 2
  for package; do
    binary=$tools/$(basename "$package").$arch.test
    CGO_ENABLED=0 GOARCH=$arch go test -c -o "$binary" "$package"
    (cd "$package" && RASLINE_PEERS='' RASLINE_EMULATOR=$emulator \
      python3 -c 'import os, subprocess, sys
held = [os.openpty() for _ in range(3)]
sys.exit(subprocess.run(sys.argv[1:]).returncode)' \
      timeout 320 "$emulator" "$binary" -test.short -test.timeout=300s)
  done
}

under_wine() {
  go build -o "$tools/wineexec" ./internal/winetest/wineexec
  export RASLINE_WINE=$tools/wine
  "$tools/wineexec" -make "$RASLINE_WINE"
  # The peers are programs of this system, which wine does not see.
  RASLINE_PEERS='' GOOS=windows CGO_ENABLED=0 go test -exec "$tools/wineexec" -skip TestCodesAreGenerated \
    ./internal/rasabi ./internal/match ./ras ./script ./script/scp ./script/switchinf ./script/modem ./port/virtual
  "$tools/wineexec" -end "$RASLINE_WINE"
  unset RASLINE_WINE
}

export RASLINE_SKIPPED=$tools/skipped
