// An API in Go, without a library. `keywright verifier --issuer URL --listen unix:SOCKET` beside it judges the tokens.
// Usage: go run api.go SOCKET PORT
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", os.Args[1])
}

var verifier = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: dial}}

func serve(answer http.ResponseWriter, caller *http.Request) {
	question, _ := json.Marshal(map[string]string{"token": caller.Header.Get("Authorization"), "permission": "distribution.profile.view"})
	verdict, err := verifier.Post("http://verifier/verify", "application/json", bytes.NewReader(question))
	if err != nil {
		answer.Header().Set("Retry-After", "1")
		answer.WriteHeader(http.StatusServiceUnavailable) // not judged is not let in
		return
	}
	defer verdict.Body.Close()
	if verdict.StatusCode == http.StatusOK {
		var good struct{ Claims struct{ Email string } }
		_ = json.NewDecoder(verdict.Body).Decode(&good)
		fmt.Fprintf(answer, "hello %s\n", good.Claims.Email)
		return
	}
	// What the verifier says to a bad token is for the caller: status, challenge and body.
	for _, name := range []string{"Content-Type", "Www-Authenticate", "Retry-After"} {
		answer.Header()[name] = verdict.Header[name]
	}
	answer.WriteHeader(verdict.StatusCode)
	_, _ = io.Copy(answer, verdict.Body)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
