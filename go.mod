module github.com/rasline/rasline

go 1.25.0

require (
	go.bug.st/serial v1.8.0
	golang.org/x/sys v0.47.0
)
