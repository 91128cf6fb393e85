package peers.spark;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Iterator;
import org.apache.spark.sql.Row;

/** Writes the totals of one partition of a batch, in one transaction: Spark's own JDBC sink has no upsert. */
final class TotalsWriter {
    private static final String UPSERT = "INSERT INTO peer_totals (window_start, board, entry, duration_s, visits)"
            + " VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE duration_s = VALUES(duration_s), visits = VALUES(visits)";
    private static final int MOST_ROWS = 1000;

    static void write(Iterator<Row> rows) throws SQLException {
        try (Connection connection = DriverManager.getConnection(
                        System.getenv("PEER_JDBC_URL"),
                        System.getenv("PEER_JDBC_USER"),
                        System.getenv("PEER_JDBC_PASSWORD"));
                PreparedStatement upsert = connection.prepareStatement(UPSERT)) {
            connection.setAutoCommit(false);
            int waiting = 0;
            while (rows.hasNext()) {
                Row row = rows.next();
                upsert.setTimestamp(1, row.getTimestamp(0));
                upsert.setString(2, row.getString(1));
                upsert.setString(3, row.getString(2));
                upsert.setLong(4, row.getLong(3));
                upsert.setLong(5, row.getLong(4));
                upsert.addBatch();
                if (++waiting % MOST_ROWS == 0) {
                    upsert.executeBatch();
                }
            }
            upsert.executeBatch();
            connection.commit();
        }
    }
}
