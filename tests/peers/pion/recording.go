package main

import "encoding/base64"

// recording is media to be sent over and over: all frames once, then those from again on for ever.
type recording struct {
	// width and height are zero for sound.
	width, height int
	frames        [][]byte
	again         int
}

// decoded reads a frame of the source text.
func decoded(text string) []byte {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return bytes
}
