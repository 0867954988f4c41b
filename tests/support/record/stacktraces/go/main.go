// Records an error and a panic with the OpenTelemetry SDK for Go and prints the exception.stacktrace of each:
// goroutine header, functions with arguments, methods, closures, generic functions, a created-by line.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

type cart struct{ items []string }

func (c *cart) item(number int) string { return c.items[number] }

func last[T any](of []T, pick func([]T) T) T { return pick(of) }

func recordError(tracer trace.Tracer) {
	_, span := tracer.Start(context.Background(), "charge card")
	defer span.End()
	span.RecordError(errors.New("card declined"), trace.WithStackTrace(true))
}

func recordPanic(tracer trace.Tracer) {
	defer func() { _ = recover() }()
	_, span := tracer.Start(context.Background(), "check out")
	defer span.End(trace.WithStackTrace(true)) // End records the panic that passes it
	c := &cart{items: []string{"tea"}}
	last(c.items, func(items []string) string { return c.item(len(items) + 6) })
}

func stacktrace(attributes []attribute.KeyValue) string {
	for _, one := range attributes {
		if one.Key == "exception.stacktrace" {
			return one.Value.AsString()
		}
	}
	return ""
}

func main() {
	exporter := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("shop")
	done := make(chan bool)
	go func() {
		defer close(done)
		recordError(tracer)
		recordPanic(tracer)
	}()
	<-done
	for _, span := range exporter.GetSpans() {
		for _, event := range span.Events {
			name := os.Args[1] + "/go-" + map[bool]string{true: "error", false: "panic"}[span.Name == "charge card"]
			text := []byte(stacktrace(event.Attributes))
			if err := os.WriteFile(name+".txt", text, 0o644); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
}
