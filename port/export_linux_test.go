package port

// ForgetPseudo makes s treat its pseudo-terminal as hardware when the line
// ends.
func ForgetPseudo(s *Serial) { s.dev.(*tty).pseudo = false }

// CarrierFell does what a carrier policy does when the carrier falls.
func CarrierFell(s *Serial) { s.dev.(*tty).carrierFell() }

// Claim does the locking of Open on a pseudo-terminal as if it were hardware.
func Claim(name string) (release func(), err error) {
	t, err := openTTY(name)
	if err != nil {
		return nil, err
	}
	t.pseudo = false
	return func() { t.release() }, t.claim()
}
