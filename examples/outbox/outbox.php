<?php

// Takes items from the shop's stock and tells of it, in one transaction: both happen, or neither does.
// Needs pdo_pgsql. `shop.stock` stands for a table of yours.
declare(strict_types=1);

function takeFromStock(PDO $db, string $sku, int $quantity): void
{
    $db->beginTransaction();
    try {
        $update = $db->prepare(
            'update shop.stock set quantity = quantity - ? where sku = ? returning quantity'
        );
        $update->execute([$quantity, $sku]);
        $left = $update->fetchColumn();
        if ($left === false) {
            throw new RuntimeException("There is no $sku.");
        }
        $change = ['sku' => $sku, 'warehouse' => 'eu', 'quantity' => (int) $left, 'reason' => 'sold'];
        $payload = json_encode($change, JSON_THROW_ON_ERROR);
        $db->prepare('insert into orderwheel.outbox (kind, payload) values (?, ?)')
            ->execute(['stock.changed', $payload]);
        $db->commit();
    } catch (Throwable $error) {
        $db->rollBack();
        throw $error;
    }
}

$db = new PDO(
    // pgsql:host=127.0.0.1;port=5432;dbname=shop
    getenv('DATABASE_DSN') ?: throw new RuntimeException('Set DATABASE_DSN, DATABASE_USER and DATABASE_PASSWORD.'),
    getenv('DATABASE_USER'),
    getenv('DATABASE_PASSWORD'),
    [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]
);
takeFromStock($db, 'IPOD-GREEN', 2);
// Optional, after the commit: without it, the relay finds the message within 1.5 s.
$db->exec('notify orderwheel_outbox');
