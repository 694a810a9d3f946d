package ras

import "fmt"

// ConnState is a state of a connection that is being made (RASCONNSTATE). A
// state is announced with no error when it is entered and announced again with
// the error if it fails. Do not rely on the order of the numbers.
type ConnState uint32

// The connection states. Those with the bit StatePaused wait for a user, the
// script for one; those with StateDone are final.
const (
	StateOpenPort ConnState = iota
	StatePortOpened
	StateConnectDevice
	StateDeviceConnected
	StateAllDevicesConnected
	StateAuthenticate
	StateAuthNotify
	StateAuthRetry
	StateAuthCallback
	StateAuthChangePassword
	StateAuthProject
	StateAuthLinkSpeed
	StateAuthAck
	StateReAuthenticate
	StateAuthenticated
	StatePrepareForCallback
	StateWaitForModemReset
	StateWaitForCallback
	StateProjected
	StateStartAuthentication
	StateCallbackComplete
	StateLogonNetwork
	StateSubEntryConnected
	StateSubEntryDisconnected
	StateApplySettings

	StatePaused ConnState = 0x1000
	StateDone   ConnState = 0x2000

	StateInteractive         = StatePaused // the custom script runs
	StateRetryAuthentication = StatePaused + 1
	StateCallbackSetByCaller = StatePaused + 2
	StatePasswordExpired     = StatePaused + 3
	StateInvokeEapUI         = StatePaused + 4
	StateConnected           = StateDone
	StateDisconnected        = StateDone + 1
)

var stateNames = [...]string{
	"OpenPort", "PortOpened", "ConnectDevice", "DeviceConnected", "AllDevicesConnected", "Authenticate",
	"AuthNotify", "AuthRetry", "AuthCallback", "AuthChangePassword", "AuthProject", "AuthLinkSpeed", "AuthAck",
	"ReAuthenticate", "Authenticated", "PrepareForCallback", "WaitForModemReset", "WaitForCallback", "Projected",
	"StartAuthentication", "CallbackComplete", "LogonNetwork", "SubEntryConnected", "SubEntryDisconnected",
	"ApplySettings",
}

var (
	pausedNames = [...]string{"Interactive", "RetryAuthentication", "CallbackSetByCaller", "PasswordExpired", "InvokeEapUI"}
	doneNames   = [...]string{"Connected", "Disconnected"}
)

// String returns the name in the Windows headers, such as "RASCS_Interactive";
// a number without a name gives "RASCS_n".
func (s ConnState) String() string {
	for _, t := range []struct {
		base  ConnState
		names []string
	}{{0, stateNames[:]}, {StatePaused, pausedNames[:]}, {StateDone, doneNames[:]}} {
		if s >= t.base && s-t.base < ConnState(len(t.names)) {
			return "RASCS_" + t.names[s-t.base]
		}
	}
	return fmt.Sprintf("RASCS_%d", uint32(s))
}

// Paused reports whether the connection waits for a user in this state.
func (s ConnState) Paused() bool { return s&StatePaused != 0 }

// Final reports whether no other state follows.
func (s ConnState) Final() bool { return s&StateDone != 0 }
