// Package greet answers requests with a greeting.
package greet

import (
	"fmt"
	"net/http"
)

// Handler greets whoever the path names.
func Handler(greeting string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		if name == "" {
			name = "world"
		}
		fmt.Fprintf(w, "%s, %s!\n", greeting, name)
	})
}
