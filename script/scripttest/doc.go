// Package scripttest has far ends for tests: a host that asks for a name and a
// password and then speaks PPP ([Login]), and an AT modem to dial it through
// ([Modem]).
//
// Both run on any [port.Port], in goroutines of their own, and end with Close.
// They take time only from package time and block only on channels and on
// their ports, so over a pair from port/virtual they work inside a
// testing/synctest bubble, where a dial that takes 45 seconds is tested in
// microseconds. Over a pseudo-terminal the same tests meet a kernel.
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
