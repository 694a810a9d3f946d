package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/phonebook"
)

// Ports writes a line for each port: its name, its USB numbers as usb: accepts them,
// what it is, and a name that stays.
func Ports(w io.Writer, ports []port.Info) error {
	var rows [][]string
	for _, p := range ports {
		usb := ""
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
		rows = append(rows, []string{p.Name, orDash(usb), orDash(about), orDash(p.Stable)})
	}
	return table(w, rows)
}

// Entries writes a line for each entry of a phone book: its name, device, port and
// number, and why it cannot be dialled.
func Entries(w io.Writer, entries []phonebook.Info) error {
	var rows [][]string
	for _, e := range entries {
		rows = append(rows, []string{e.Name, orDash(e.Device), orDash(e.Port), orDash(e.Number), e.Why})
	}
	return table(w, rows)
}

// table writes rows in columns. Parts of them are read from devices and files.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = lint.Visible(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
