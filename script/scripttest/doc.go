// Package scripttest has peers for tests: a host that prompts for a name and a
// password and then starts PPP ([Login]), and an AT modem to dial it through
// ([Modem]).
//
// Both run on any [port.Port], in goroutines of their own, and end with Close.
// They use only the time of package time and block only on channels and on
// their ports, so over a pair from port/virtual they work inside a
// testing/synctest bubble, where a dial that takes 45 seconds is tested in
// microseconds. Over a pseudo-terminal the same tests run on a kernel.
//
//	client, host := virtual.Pair()
//	far := scripttest.NewLogin(host, &scripttest.LoginConfig{User: "guest", Password: "secret"})
//	defer far.Close()
//	result, err := script.Run(ctx, client, myLogin, nil)
//	// far.Transcript() has what both sides sent.
//
// A port handed to NewLogin or NewModem belongs to it from then on: it is
// closed when the peer hangs up and at Close.
package scripttest
