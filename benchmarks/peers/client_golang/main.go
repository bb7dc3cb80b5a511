// The samples of a page, served as users of client_golang write it: gauges with labels, promhttp.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sort"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func value(metric *dto.Metric) float64 {
	if metric.Counter != nil {
		return metric.GetCounter().GetValue()
	}
	return metric.GetGauge().GetValue()
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		panic(err)
	}
	registry := prometheus.NewRegistry()
	for name, family := range families {
		known := map[string]bool{}
		for _, metric := range family.Metric {
			for _, label := range metric.Label {
				known[label.GetName()] = true
			}
		}
		names := []string{}
		for label := range known {
			names = append(names, label)
		}
		sort.Strings(names)
		gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: family.GetHelp()}, names)
		registry.MustRegister(gauge)
		for _, metric := range family.Metric {
			labels := prometheus.Labels{}
			for _, label := range names {
				labels[label] = ""
			}
			for _, label := range metric.Label {
				labels[label.GetName()] = label.GetValue()
			}
			gauge.With(labels).Set(value(metric))
		}
	}
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s/metrics\n", listener.Addr())
	panic(http.Serve(listener, nil))
}
