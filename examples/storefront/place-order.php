<?php
// Places the order in a file, with nothing but PHP's own streams:
// ORDERWHEEL_URL=… ORDERWHEEL_API_KEY=… php place-order.php [order.json]

declare(strict_types=1);

/**
 * Answers ['id', 'externalId', 'state', 'links']. Throws Problem when the order is refused, and NoAnswer when it is
 * not known whether it was placed: call it again with the same order later.
 */
function placeOrder(array|stdClass $order, string $url, string $apiKey, ?string $key = null, float $deadlineSeconds = 30): array
{
    $body = json_encode($order, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
    // Made of the order: a request that is sent anew has the same one, and the order is placed once.
    $key ??= ((array) $order)['externalId'] . ':' . substr(hash('sha256', $body), 0, 32);
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            "Authorization: Bearer $apiKey",
            'Content-Type: application/json',
            "Idempotency-Key: $key",
            'Connection: close',
        ],
        'content' => $body,
        'timeout' => 10,
        'ignore_errors' => true, // Errors have a body, too.
        'follow_location' => 0,
        'protocol_version' => 1.1,
    ]]);
    $until = microtime(true) + $deadlineSeconds;
    for ($attempt = 1; ; $attempt++) {
        $http_response_header = [];
        $text = @file_get_contents(rtrim($url, '/') . '/orders', false, $context);
        $status = preg_match('~^HTTP/\S+ (\d+)~', $http_response_header[0] ?? '', $found) ? (int) $found[1] : 0;
        $said = is_string($text) ? json_decode($text, true) : null;
        if ($status >= 200 && $status < 300 && is_array($said)) {
            return $said;
        }
        $problem = new Problem($status, is_array($said) ? $said : []);
        // 0: no connection or no answer in time. A 2xx that is no JSON was cut short. The order may be there.
        $mayBeRepeated = $status < 300 || in_array($status, [408, 425, 429], true) || $status >= 500
            || $problem->problemCode === 'request-in-progress';
        if (!$mayBeRepeated) {
            throw $problem;
        }
        // Full jitter: storefronts that failed together do not come back together.
        $jitter = min(5, 0.25 * 2 ** ($attempt - 1)) * mt_rand() / mt_getrandmax();
        $pause = retryAfter($http_response_header) + $jitter;
        if (microtime(true) + $pause >= $until) {
            throw new NoAnswer("No answer after $attempt attempts: " . $problem->getMessage(), 0, $problem);
        }
        usleep((int) ($pause * 1_000_000));
    }
}

/** Seconds, from seconds or an HTTP date. */
function retryAfter(array $headers): float
{
    foreach ($headers as $header) {
        if (preg_match('~^retry-after:\s*(.+?)\s*$~i', $header, $found)) {
            $seconds = ctype_digit($found[1]) ? (float) $found[1] : strtotime($found[1]) - microtime(true);
            return max(0.0, (float) $seconds);
        }
    }
    return 0.0;
}

final class NoAnswer extends RuntimeException
{
}

/** What was answered instead of the order (RFC 9457): $problemCode is for programs, $errors for each wrong field. */
final class Problem extends RuntimeException
{
    public readonly string $problemCode;
    public readonly array $errors;

    public function __construct(public readonly int $status, array $said)
    {
        $this->problemCode = $said['code'] ?? 'unknown';
        $this->errors = $said['errors'] ?? [];
        $title = $said['title'] ?? ($status === 0 ? 'no answer' : "HTTP $status");
        parent::__construct(implode(': ', array_filter([$title, $said['detail'] ?? null])));
    }
}

if (realpath($argv[0] ?? '') === __FILE__) {
    // As objects: an empty array would not become {} again.
    $order = json_decode(file_get_contents($argv[1] ?? __DIR__ . '/order.json'), false, 512, JSON_THROW_ON_ERROR);
    $url = getenv('ORDERWHEEL_URL') ?: 'http://127.0.0.1:8080';
    $apiKey = getenv('ORDERWHEEL_API_KEY') ?: 'ow_dev_storefront';
    try {
        $placed = placeOrder($order, $url, $apiKey);
        echo "{$placed['externalId']} is {$placed['state']}: {$placed['id']}\n";
    } catch (Problem $problem) {
        fwrite(STDERR, "$problem->problemCode: {$problem->getMessage()}\n");
        foreach ($problem->errors as $error) {
            fwrite(STDERR, '  ' . ($error['pointer'] ?? '') . ": {$error['detail']}\n");
        }
        exit(1);
    } catch (NoAnswer $error) {
        fwrite(STDERR, $error->getMessage() . "\n");
        exit(2);
    }
}
