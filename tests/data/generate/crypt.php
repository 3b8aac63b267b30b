<?php // php crypt.php < inputs > outputs
while (($line = fgets(STDIN)) !== false) {
    $line = rtrim($line, "\n");
    [, $clientId, $clientSecret, $timestamp] = explode("\t", $line);
    $raw = crypt("{$clientId}_{$timestamp}", $clientSecret);
    if (strlen($raw) !== 60) {
        fwrite(STDERR, "refused: $line\n");
        exit(1);
    }
    echo $line, "\t", $raw, "\t", base64_encode($raw), "\n";
}
