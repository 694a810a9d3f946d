package port

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// devicePrefix makes a device name of a bare port name. COM10 and above have no
// other.
const devicePrefix = `\\.\`

// deviceName returns the name that CreateFile takes.
func deviceName(name string) string {
	if strings.HasPrefix(name, devicePrefix) || strings.HasPrefix(name, `\\?\`) {
		return name
	}
	return devicePrefix + strings.TrimSuffix(name, ":")
}

// The device setup classes that have COM ports (devguid.h).
var (
	classPorts = windows.GUID{Data1: 0x4d36e978, Data2: 0xe325, Data3: 0x11ce, Data4: [8]byte{0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}}
	classModem = windows.GUID{Data1: 0x4d36e96d, Data2: 0xe325, Data3: 0x11ce, Data4: [8]byte{0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}}
)

// listDevices asks the device manager for ports and modems, and adds what else
// drivers have registered as serial devices.
func listDevices(ctx context.Context) ([]Info, error) {
	known := make(map[string]bool)
	var ports []Info
	for _, class := range []*windows.GUID{&classPorts, &classModem} {
		found, err := listClass(ctx, class)
		if err != nil {
			return nil, err
		}
		for _, info := range found {
			if !known[strings.ToUpper(info.Name)] {
				known[strings.ToUpper(info.Name)] = true
				ports = append(ports, info)
			}
		}
	}
	names, err := registeredPorts()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !known[strings.ToUpper(name)] {
			ports = append(ports, Info{Name: name})
		}
	}
	return ports, nil
}

// registeredPorts returns the names that drivers put in the registry while a
// device is there.
func registeredPorts() ([]string, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `HARDWARE\DEVICEMAP\SERIALCOMM`, registry.READ)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, nil // no serial device at all
	}
	if err != nil {
		return nil, err
	}
	defer key.Close()
	values, err := key.ReadValueNames(0)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range values {
		if name, _, err := key.GetStringValue(v); err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// isRegistered reports whether the port is registered. Without a list that can be
// read it is taken to be.
func isRegistered(name string) bool {
	names, err := registeredPorts()
	if err != nil {
		return true
	}
	for _, n := range names {
		if strings.EqualFold(n, strings.TrimPrefix(name, devicePrefix)) {
			return true
		}
	}
	return len(names) == 0
}

func listClass(ctx context.Context, class *windows.GUID) (ports []Info, err error) {
	set, err := windows.SetupDiGetClassDevsEx(class, "", 0, windows.DIGCF_PRESENT, 0, "")
	if err != nil {
		return nil, err
	}
	defer set.Close()
	for i := 0; ctx.Err() == nil; i++ {
		dev, err := set.EnumDeviceInfo(i)
		if errors.Is(err, windows.ERROR_NO_MORE_ITEMS) {
			break
		}
		if err != nil {
			continue
		}
		if info, ok := describe(set, dev); ok {
			info.Modem = class == &classModem
			ports = append(ports, info)
		}
	}
	return ports, ctx.Err()
}

// describe returns what the device manager has about a device; ok is whether it
// has a COM port.
func describe(set windows.DevInfo, dev *windows.DevInfoData) (info Info, ok bool) {
	h, err := windows.SetupDiOpenDevRegKey(set, dev, windows.DICS_FLAG_GLOBAL, 0, windows.DIREG_DEV, windows.KEY_READ)
	if err != nil {
		return info, false
	}
	key := registry.Key(h)
	defer key.Close()
	if info.Name, _, err = key.GetStringValue("PortName"); err != nil {
		if info.Name, _, err = key.GetStringValue("AttachedTo"); err != nil { // a modem behind a COM port
			return info, false
		}
	}
	if !strings.HasPrefix(strings.ToUpper(info.Name), "COM") {
		return info, false
	}
	text := func(property windows.SPDRP) string {
		v, err := set.DeviceRegistryProperty(dev, property)
		s, _ := v.(string)
		if err != nil {
			return ""
		}
		return s
	}
	info.Description = text(windows.SPDRP_FRIENDLYNAME)
	info.Product, info.Manufacturer = text(windows.SPDRP_DEVICEDESC), text(windows.SPDRP_MFG)
	info.Driver, info.Location = text(windows.SPDRP_SERVICE), text(windows.SPDRP_LOCATION_INFORMATION)
	if id, err := set.DeviceInstanceID(dev); err == nil {
		info.VID, info.PID, info.SerialNumber = usbNumbers(id)
		info.USB = info.VID != ""
	}
	return info, true
}

// instanceID matches the instance ids of USB devices, of their interfaces, whose
// last part is no serial number, and of FTDI's driver, which makes its own:
//
//	USB\VID_0403&PID_6001\A50285BI
//	USB\VID_12D1&PID_1C05&MI_00\6&2A4D3C&0&0000
//	FTDIBUS\VID_0403+PID_6001+A50285BIA\0000
var instanceID = regexp.MustCompile(`(?i)VID_([0-9A-F]{4})[&+]PID_([0-9A-F]{4})(?:([&+])([^\\]*))?\\(.*)`)

func usbNumbers(id string) (vid, pid, serial string) {
	m := instanceID.FindStringSubmatch(id)
	if m == nil {
		return "", "", ""
	}
	switch {
	case m[3] == "+":
		serial = strings.TrimSuffix(m[4], "A") // the letter is the channel's
	case m[3] == "" && !strings.Contains(m[5], "&"):
		serial = m[5]
	}
	return strings.ToLower(m[1]), strings.ToLower(m[2]), serial
}
