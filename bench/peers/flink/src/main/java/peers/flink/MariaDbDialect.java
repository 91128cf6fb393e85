package peers.flink;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.connector.jdbc.core.database.dialect.AbstractDialect;
import org.apache.flink.connector.jdbc.core.database.dialect.AbstractDialectConverter;
import org.apache.flink.connector.jdbc.core.database.dialect.JdbcDialectConverter;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;

/** Upserts by ON DUPLICATE KEY UPDATE, as Flink's own dialect for MySQL has them. */
final class MariaDbDialect extends AbstractDialect {
    @Override
    public String dialectName() {
        return "MariaDB";
    }

    @Override
    public Optional<String> defaultDriverName() {
        return Optional.of("org.mariadb.jdbc.Driver");
    }

    @Override
    public String quoteIdentifier(String name) {
        return "`" + name + "`";
    }

    @Override
    public String getLimitClause(long rows) {
        return "LIMIT " + rows;
    }

    @Override
    public Optional<String> getUpsertStatement(String table, String[] columns, String[] keys) {
        String updates = Arrays.stream(columns)
                .map(this::quoteIdentifier)
                .map(column -> column + " = VALUES(" + column + ")")
                .collect(Collectors.joining(", "));
        return Optional.of(getInsertIntoStatement(table, columns) + " ON DUPLICATE KEY UPDATE " + updates);
    }

    @Override
    public JdbcDialectConverter getRowConverter(RowType type) {
        return new AbstractDialectConverter(type) {
            @Override
            public String converterName() {
                return "MariaDB";
            }
        };
    }

    @Override
    public Optional<Range> timestampPrecisionRange() {
        return Optional.of(Range.of(0, 6));
    }

    @Override
    public Set<LogicalTypeRoot> supportedTypes() {
        return EnumSet.of(
                LogicalTypeRoot.CHAR,
                LogicalTypeRoot.VARCHAR,
                LogicalTypeRoot.INTEGER,
                LogicalTypeRoot.BIGINT,
                LogicalTypeRoot.TIMESTAMP_WITHOUT_TIME_ZONE);
    }
}
