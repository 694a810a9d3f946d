package port

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
)

// List returns the serial ports of this machine in the order of their names,
// numbers counted. It opens none of them. On Linux it reads sysfs and leaves
// out the placeholders that drivers keep for hardware that is not there; on
// Windows it asks the device manager; elsewhere it knows the names alone.
func List(ctx context.Context) ([]Info, error) {
	ports, err := listDevices(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, &OpError{Op: "list ports", Err: err}
	}
	slices.SortFunc(ports, func(a, b Info) int { return compareNames(a.Name, b.Name) })
	return ports, nil
}

// compareNames puts ttyS2 before ttyS10.
func compareNames(a, b string) int {
	stemA, numA := splitNumber(a)
	stemB, numB := splitNumber(b)
	return cmp.Or(strings.Compare(stemA, stemB), cmp.Compare(numA, numB), strings.Compare(a, b))
}

// splitNumber cuts the digits at the end off a name. Digits too many for an int
// stay.
func splitNumber(name string) (string, int) {
	stem := strings.TrimRight(name, "0123456789")
	n, err := strconv.Atoi(name[len(stem):])
	if err != nil {
		return name, 0
	}
	return stem, n
}
