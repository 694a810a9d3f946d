package winetest

import "golang.org/x/sys/windows"

// underWine reports whether ntdll.dll has a function that only wine's has.
func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
