// Serves greetings.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"strings"

	"example.org/service/internal/greet"
)

var version = "unknown"

func main() {
	greeting := flag.String("greeting", "Hello", "how to greet")
	check := flag.Bool("check", false, "ask the running service whether it is well")
	flag.Parse()
	listen := os.Getenv("SERVICE_LISTEN")
	if *check {
		answer, err := http.Get("http://127.0.0.1:" + listen[strings.LastIndex(listen, ":")+1:] + "/version")
		if err != nil || answer.StatusCode != http.StatusOK {
			os.Exit(1)
		}
		return
	}
	http.Handle("/", greet.Handler(*greeting))
	http.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(version + "\n")) })
	log.Println("version", version, "listens on", listen)
	log.Fatal(http.ListenAndServe(listen, nil))
}
