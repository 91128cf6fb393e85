package peers.flink;

import java.time.Instant;
import java.time.LocalDate;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.functions.ScalarFunction;

/** Reads the date of a visit in its usual form by hand; carts then keep it as it was sent. */
public final class Rfc3339 extends ScalarFunction {
    private static final long DAY_MS = 86_400_000;
    private transient String day;
    private transient long dayMs;

    public @DataTypeHint("TIMESTAMP_LTZ(3)") Instant eval(String date) {
        if (date == null || date.length() != 24 || date.charAt(23) != 'Z') {
            return date == null ? null : Instant.parse(date);
        }
        if (day == null || !date.startsWith(day)) {
            day = date.substring(0, 10);
            dayMs = LocalDate.parse(day).toEpochDay() * DAY_MS;
        }
        long second = number(date, 11, 2) * 3600 + number(date, 14, 2) * 60 + number(date, 17, 2);
        return Instant.ofEpochMilli(dayMs + second * 1000 + number(date, 20, 3));
    }

    private static long number(String text, int from, int digits) {
        long number = 0;
        for (int at = from; at < from + digits; at++) {
            number = number * 10 + text.charAt(at) - '0';
        }
        return number;
    }
}
