package main

import (
	"testing"

	"github.com/rasline/rasline/internal/winetest"
)

func TestMain(m *testing.M) { winetest.Main(m) }
