package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/rasline/rasline/port"
)

// listPorts prints the serial ports of this machine and returns the exit status.
func listPorts(ctx context.Context, std streams) int {
	ports, err := port.List(ctx)
	if err != nil {
		fmt.Fprintln(std.err, "rasdial:", err)
		return exitFailed
	}
	if len(ports) == 0 {
		fmt.Fprintln(std.err, "rasdial: this machine has no serial ports")
		return exitOK
	}
	if err := printPorts(std.out, ports); err != nil {
		fmt.Fprintln(std.err, "rasdial:", err)
		return exitFailed
	}
	return exitOK
}

// printPorts prints a line for each port: its name, its USB numbers as usb:
// takes them, what it is, and a name that stays.
func printPorts(w io.Writer, ports []port.Info) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range ports {
		usb := "-"
		if p.USB {
			usb = "usb:" + p.VID + ":" + p.PID
			if p.SerialNumber != "" {
				usb += ":" + p.SerialNumber
			}
		}
		about := p.Description
		switch {
		case p.Bluetooth != "":
			about = strings.TrimSpace(about + " Bluetooth " + p.Bluetooth)
		case p.Modem:
			about = strings.TrimSpace(about + " (modem)")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Name, usb, orDash(about), orDash(p.Stable))
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
