package match_test

import (
	"fmt"

	"github.com/rasline/rasline/internal/match"
)

func Example() {
	set, err := match.Compile([]match.Pattern{{Text: "login:", Fold: true}, {Text: "NO CARRIER"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sc match.Scanner
	sc.Reset(set, false)
	fmt.Println("nothing can complete within fewer bytes than", sc.Need())
	for _, piece := range []string{"Welcome\r\nLo", "gin: PPP"} {
		n, ok := sc.Scan([]byte(piece))
		fmt.Println(n, ok, sc.Hits())
	}
	// Output:
	// nothing can complete within fewer bytes than 6
	// 11 false []
	// 4 true [0]
}
