package winetest

import "golang.org/x/sys/windows"

// underWine asks for what wine's ntdll.dll has and that of Windows has not.
func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
