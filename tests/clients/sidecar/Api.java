// An API in Java, without a library. `keywright verifier --issuer URL --listen ADDRESS` beside it judges the tokens: at an address such as
// 127.0.0.1:8181, since the JDK's HTTP client knows no UNIX sockets.
// Usage: java Api.java ADDRESS PORT

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.*;
import java.net.http.*;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

class Api {
    static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    static void serve(URI verifier, HttpExchange call) throws IOException {
        // The JDK knows no JSON. A text in which every character is escaped is right whatever stands in it.
        var token = call.getRequestHeaders().getOrDefault("Authorization", List.of("")).get(0);
        var escaped = token.chars().mapToObj(letter -> String.format("\\u%04x", letter)).collect(Collectors.joining());
        var question = "{\"token\": \"" + escaped + "\", \"permission\": \"distribution.profile.view\"}";
        var request = HttpRequest.newBuilder(verifier).timeout(Duration.ofSeconds(5)).POST(HttpRequest.BodyPublishers.ofString(question));
        try {
            var verdict = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            // What the verifier says to a bad token is for the caller: status, challenge and body. Of a good one it says the claims; an
            // API that does something would go on from them here.
            for (var name : List.of("Content-Type", "WWW-Authenticate", "Retry-After")) {
                verdict.headers().firstValue(name).ifPresent(value -> call.getResponseHeaders().set(name, value));
            }
            call.sendResponseHeaders(verdict.statusCode(), verdict.body().length);
            call.getResponseBody().write(verdict.body());
        } catch (IOException | InterruptedException silence) {
            call.getResponseHeaders().set("Retry-After", "1");
            call.sendResponseHeaders(503, -1); // not judged is not let in
        }
        call.close();
    }

    public static void main(String[] arguments) throws IOException {
        var verifier = URI.create("http://" + arguments[0] + "/verify");
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1])), 0);
        server.createContext("/", call -> serve(verifier, call));
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
        System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
    }
}
