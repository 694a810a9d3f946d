// Package integration runs the tests of package guest inside a kernel of its
// own, where the serial drivers are real and root can do as it likes: Debian's
// linux-image under qemu-system-x86_64, with busybox, pppd and our programs in
// an initramfs.
//
// The machine has four UARTs (16550A). The first is the console, the second and
// third are joined back to back, and the fourth carries the tests' results and
// their requests to the host, one line each. A USB adapter (an FTDI) is on an
// xHCI bus and can be pulled and plugged in over qemu's monitor.
//
// It uses KVM where that runs a kernel, which a short trial finds out, and
// emulates the processor elsewhere.
//
// # What it needs
//
// On Debian: qemu-system-x86, busybox-static, ppp, xz-utils or zstd for kernels
// with compressed modules, and a kernel. The kernel is searched for, in this
// order, in
//
//   - the directory that RASLINE_GUEST_KERNEL names, which holds what a linux-image
//     package unpacks to (boot and lib/modules),
//   - the directory rasline/linux in the user's cache, where the program
//     fetch-kernel in this directory puts one without installing it,
//   - the system itself, where linux-image-amd64 is installed.
//
// Where something is missing the test is skipped with the reason; with
// RASLINE_PEERS=required in the environment it fails.
//
// To run some of the guest's tests only:
//
//	go test -v ./internal/integration -guest.run TestPPP
package integration
