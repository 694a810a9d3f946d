package winetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// missing replaces a program that is not installed. The script then has only the
// fakes and the programs that .ci uses besides.
const missing = "missing"

// gate runs a shell script at the root of the checkout, with the programs in fakes
// before those of the system. It returns the output and the exit status.
func gate(t *testing.T, fakes map[string]string, script string, args ...string) (string, int) {
	t.Helper()
	bin := t.TempDir()
	path := bin + ":" + os.Getenv("PATH")
	for name, text := range fakes {
		if text == missing {
			path = bin
			for _, tool := range strings.Fields("bash mktemp rm timeout mkdir dirname tr tac awk grep") {
				if err := os.Symlink("/usr/bin/"+tool, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", script, "bash"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "PATH="+path, "RASLINE_WINE32_ROOT=")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestWine32Refusals has the gate continue, and print the reason, wherever the 32-bit wine
// cannot be made.
func TestWine32Refusals(t *testing.T) {
	const root, failing = "echo 0", "echo no network; exit 1"
	for _, tt := range []struct {
		name, why string
		fakes     map[string]string
	}{
		{"another user than root", "it takes root", map[string]string{"id": "echo 1000"}},
		{"no debootstrap", "debootstrap cannot be installed", map[string]string{"id": root, "apt-get": failing, "debootstrap": missing}},
		{"no network", "debootstrap of i386 failed: no network", map[string]string{"id": root, "debootstrap": failing}},
		{"no programs of 32 bits", "does not run i386 programs", map[string]string{"id": root, "debootstrap": "", "chroot": failing}},
		{"no wine32", "wine32 cannot be installed: no network", map[string]string{"id": root, "debootstrap": "", "chroot": `[ "$2" = /bin/true ] || { ` + failing + `; }`}},
		{"no mounts", "/proc cannot be mounted", map[string]string{"id": root, "debootstrap": "", "chroot": "", "mount": failing}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, code := gate(t, tt.fakes, `. .ci/lib.sh; make_wine32; echo "root: ${RASLINE_WINE32_ROOT:-none}"`)
			if code != 0 || !strings.Contains(out, tt.why) || !strings.Contains(out, "tests of 32 bits are skipped\n") || !strings.HasSuffix(out, "root: none\n") {
				t.Errorf("exit status %d, want %q and to go on:\n%s", code, tt.why, out)
			}
		})
	}
}

// TestWine32End removes a tree with mounts that are not of .ci/wine32, one of them
// in use, and does not stop the gate when it cannot.
func TestWine32End(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	const inNamespace = `unshare -rm bash -c '
		mkdir -p "$1/sys" "$1/dev/shm" || exit 9
		mount -t tmpfs none "$1/sys" && mount -t tmpfs none "$1/dev" && mkdir "$1/dev/shm" && mount -t tmpfs none "$1/dev/shm" || exit 9
		(cd "$1/sys" && exec sleep 60) & busy=$!
		until [ "$(readlink /proc/$busy/cwd)" = "$1/sys" ]; do :; done
		.ci/wine32 -end "$1"; status=$?
		kill $busy; exit $status' bash "$1"`
	out, code := gate(t, nil, inNamespace, root)
	if code == 9 || strings.HasPrefix(out, "unshare") {
		t.Skipf("no mounts without root here: %s", out)
	}
	if _, err := os.Stat(root); code != 0 || !os.IsNotExist(err) {
		t.Errorf("exit status %d, %v\n%s", code, err, out)
	}
	out, code = gate(t, map[string]string{"id": "echo 1000", "rm": `case "$*" in *wine32*) echo busy; exit 1;; esac; exec /bin/rm "$@"`}, `. .ci/lib.sh; make_wine32; RASLINE_WINE32_ROOT=/nonexistent/wine32; echo on`)
	if code != 0 || !strings.Contains(out, "on\n") {
		t.Errorf("with a tree that cannot be removed the gate ends with %d:\n%s", code, out)
	}
}
