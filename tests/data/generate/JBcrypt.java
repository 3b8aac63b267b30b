// java -cp <jbcrypt jar> JBcrypt.java < inputs > outputs
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Base64;
import org.mindrot.jbcrypt.BCrypt;

public class JBcrypt {
    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        var out = new PrintStream(System.out, true, UTF_8);
        for (String line; (line = in.readLine()) != null; ) {
            String[] field = line.split("\t");
            String raw = BCrypt.hashpw(field[1] + "_" + field[3], field[2]);
            String signature = Base64.getUrlEncoder().encodeToString(raw.getBytes(UTF_8));
            out.print(line + "\t" + raw + "\t" + signature + "\n");
        }
    }
}
