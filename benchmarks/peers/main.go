// client_golang's promhttp with the samples of a file: what the exporter's scrape is measured against.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	var gauges *prometheus.GaugeVec
	var counters *prometheus.CounterVec
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		if parts[0] == "F" {
			name, help, labels := parts[1], parts[3], parts[4:]
			if parts[2] == "counter" {
				gauges, counters = nil, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
				registry.MustRegister(counters)
			} else {
				counters, gauges = nil, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
				registry.MustRegister(gauges)
			}
			continue
		}
		value, err := strconv.ParseFloat(parts[1], 64)
		if err != nil {
			log.Fatal(err)
		}
		if counters != nil {
			counters.WithLabelValues(parts[2:]...).Add(value)
		} else {
			gauges.WithLabelValues(parts[2:]...).Set(value)
		}
	}
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
