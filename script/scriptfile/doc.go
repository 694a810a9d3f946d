// Package scriptfile loads a script file, whatever its language.
//
//	s, err := scriptfile.ReadFile("isp.scp", nil)
//	if err != nil {
//		// a *lint.ParseError with every error and its place, or what else is wrong
//	}
//	result, err := script.Run(ctx, p, s.Executor(), cfg)
//
// The languages and the endings of their files:
//
//	scp        .scp    Microsoft's Dial-Up Scripting Command Language (package scp)
//	switchinf  .inf    SWITCH.INF and PAD.INF (package switchinf)
//	chat       .chat   chat(8) (package chat); \T is the user's name, \U the password
//	runscript  .runscript  minicom's runscript (package runscript)
//	dll        .dll    a custom-scripting DLL, on Windows (package dll)
//
// A script of any language but dll that sends the user's name, the password or a
// number is refused without one before anything is sent, since an empty name
// locks accounts; [Script.Check] reports it before a run.
package scriptfile
