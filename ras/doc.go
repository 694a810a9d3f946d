// Package ras gives Go programs the callbacks that Windows RAS gives a
// custom-scripting DLL, over any [port.Port].
//
// Windows RAS lets a DLL talk to the server between the modem's CONNECT and the
// start of PPP. It hands six functions to the DLL's RasCustomScriptExecute;
// here they are the methods of [API]:
//
//	RasGetBuffer        API.GetBuffer
//	RasFreeBuffer       API.FreeBuffer
//	RasSendBuffer       API.SendBuffer
//	RasReceiveBuffer    API.ReceiveBuffer
//	RasRetrieveBuffer   API.RetrieveBuffer
//	RasSetCommSettings  API.SetCommSettings
//
// A [Session] implements them over a port; a script gets them in a [Call].
// Package script runs scripts and offers a more comfortable way to send and to
// wait, built on these six alone.
//
// # Receiving
//
// A receive is posted with an [Event], as in Windows: ReceiveBuffer returns at
// once, the event is set when data is there, when the limit has passed or when
// the port has failed, and RetrieveBuffer then moves the data or reports which it
// was. The event is a channel for those who want to select on it, and
// [Event.Wait] for those who only wait, which is faster. [Call.Receive] is all of
// it in one, and faster again; [Call.Send] is its counterpart.
//
// # Errors
//
// Every error matches a [Code] with errors.Is. Codes are the numbers of
// Raserror.h and keep the names of the Windows headers in [Code.Name].
// A port that fails keeps its first cause, and [Cause] returns its code.
//
// # Where the documentation is silent
//
// The published documentation leaves many points open: what a timeout looks
// like, what a second receive does, who owns a buffer when. The methods'
// comments specify what this package does, and its tests hold each point under its
// own name.
package ras
