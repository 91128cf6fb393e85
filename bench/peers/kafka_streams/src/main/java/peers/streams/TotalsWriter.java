package peers.streams;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** Writes the latest total of every window that has changed, in batches: every 100 ms, and when it closes. */
final class TotalsWriter implements Processor<Windowed<String>, Total, Void, Void> {
    private static final String UPSERT = "INSERT INTO peer_totals (window_start, board, entry, duration_s, visits)"
            + " VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE duration_s = VALUES(duration_s), visits = VALUES(visits)";
    private static final int MOST_ROWS = 1000;

    private final String board;
    private final Map<Windowed<String>, Total> changed = new HashMap<>();
    private Connection connection;
    private PreparedStatement upsert;

    TotalsWriter(String board) {
        this.board = board;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        try {
            connection = DriverManager.getConnection(
                    System.getenv("PEER_JDBC_URL"),
                    System.getenv("PEER_JDBC_USER"),
                    System.getenv("PEER_JDBC_PASSWORD"));
            connection.setAutoCommit(false);
            upsert = connection.prepareStatement(UPSERT);
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
        context.schedule(Duration.ofMillis(100), PunctuationType.WALL_CLOCK_TIME, now -> write());
    }

    @Override
    public void process(Record<Windowed<String>, Total> record) {
        changed.put(record.key(), record.value());
        if (changed.size() >= MOST_ROWS) {
            write();
        }
    }

    @Override
    public void close() {
        write();
        try {
            connection.close();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    private void write() {
        if (changed.isEmpty()) {
            return;
        }
        try {
            for (Map.Entry<Windowed<String>, Total> row : changed.entrySet()) {
                upsert.setTimestamp(1, new Timestamp(row.getKey().window().start()));
                upsert.setString(2, board);
                upsert.setString(3, row.getKey().key());
                upsert.setLong(4, row.getValue().durationS());
                upsert.setLong(5, row.getValue().visits());
                upsert.addBatch();
            }
            upsert.executeBatch();
            connection.commit();
            changed.clear();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }
}
