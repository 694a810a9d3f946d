package port

import "testing"

func TestWindowsUSBNumbers(t *testing.T) {
	tests := []struct{ id, vid, pid, serial string }{
		{`USB\VID_0403&PID_6001\A50285BI`, "0403", "6001", "A50285BI"},
		{`FTDIBUS\VID_0403+PID_6001+A50285BIA\0000`, "0403", "6001", "A50285BI"},
		{`USB\VID_12D1&PID_1C05&MI_00\6&2A4D3C&0&0000`, "12d1", "1c05", ""},
		{`USB\VID_1A86&PID_7523\5&3A1B&0&2`, "1a86", "7523", ""},
		{`ACPI\PNP0501\1`, "", "", ""},
	}
	for _, tt := range tests {
		if vid, pid, serial := usbNumbers(tt.id); vid != tt.vid || pid != tt.pid || serial != tt.serial {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", tt.id, vid, pid, serial, tt.vid, tt.pid, tt.serial)
		}
	}
}

func TestWindowsDeviceNames(t *testing.T) {
	for name, want := range map[string]string{
		"COM3": `\\.\COM3`, "COM10": `\\.\COM10`, "com12:": `\\.\com12`, `\\.\COM7`: `\\.\COM7`, `\\?\usb#x`: `\\?\usb#x`,
	} {
		if got := deviceName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
