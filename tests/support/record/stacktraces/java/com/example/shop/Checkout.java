package com.example.shop;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * Throws what a Java service throws, and prints it as the OpenTelemetry agent puts it into exception.stacktrace: a
 * cause with common frames left out, a suppressed exception, lambdas, an inner class, frames of the JDK's modules.
 */
public final class Checkout {
    static final class PaymentDeclinedException extends RuntimeException {
        PaymentDeclinedException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static final class Terminal implements Closeable {
        void charge(Map<String, Integer> prices, String item) throws IOException {
            if (prices.get(item) == null) {
                throw new IOException("no price for: " + item + "\n\tat first sight this looks like a frame");
            }
        }

        /** Fails beside what already failed: a suppressed exception. */
        @Override
        public void close() {
            throw new IllegalStateException("terminal is stuck");
        }
    }

    private static void pay(String item) {
        try (Terminal terminal = new Terminal()) {
            terminal.charge(Map.of("tea", 3), item);
        } catch (IOException error) {
            throw new PaymentDeclinedException("cannot pay for " + item, error);
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        try {
            CompletableFuture.runAsync(() -> List.of("coffee").forEach(Checkout::pay)).get();
        } catch (ExecutionException error) {
            error.printStackTrace(System.out);
        }
    }
}
