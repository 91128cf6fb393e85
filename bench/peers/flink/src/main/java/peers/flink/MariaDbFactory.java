package peers.flink;

import org.apache.flink.connector.jdbc.core.database.JdbcFactory;
import org.apache.flink.connector.jdbc.core.database.catalog.JdbcCatalog;
import org.apache.flink.connector.jdbc.core.database.dialect.JdbcDialect;

/** Flink's JDBC connector for Flink 2 comes without MariaDB and MySQL: this adds jdbc:mariadb. */
public final class MariaDbFactory implements JdbcFactory {
    @Override
    public boolean acceptsURL(String url) {
        return url.startsWith("jdbc:mariadb:");
    }

    @Override
    public JdbcDialect createDialect() {
        return new MariaDbDialect();
    }

    @Override
    public JdbcCatalog createCatalog(
            ClassLoader loader, String name, String database, String user, String password, String url) {
        throw new UnsupportedOperationException("this connector has no catalog");
    }
}
