package rasabi_test

import (
	"fmt"

	"github.com/rasline/rasline/internal/rasabi"
)

func ExampleDialParams() {
	d := rasabi.NewDialParams(rasabi.Ptr64, rasabi.Windows7)
	d.SetText(rasabi.UserName, "ann")
	name, _ := d.Text(rasabi.UserName)
	fmt.Println(d.Size(), name)
	fmt.Println(d.SetText(rasabi.Domain, "corp.example.com"))
	// Output:
	// 2112 ann
	// szDomain: the text is too long for the field, and is never cut
}
